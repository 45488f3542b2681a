import type { DatabaseSync } from 'node:sqlite'

/** Workspace ids as the small integers that rows and indexes carry. Numbers are never changed or reused. */
export class Workspaces {
  readonly #find
  readonly #insert
  readonly #known = new Map<string, number>()

  constructor(db: DatabaseSync) {
    this.#find = db.prepare('SELECT id FROM workspaces WHERE workspace_id = ?')
    this.#insert = db.prepare('INSERT INTO workspaces (workspace_id) VALUES (?) ON CONFLICT DO NOTHING')
  }

  /** The workspace's number, or undefined while nothing was ever stored in it. */
  find(workspaceId: string): number | undefined {
    const known = this.#known.get(workspaceId)
    if (known !== undefined) return known
    const row = this.#find.get(workspaceId)
    if (row === undefined) return undefined
    const id = Number(row['id'])
    this.#known.set(workspaceId, id)
    return id
  }

  findOrAdd(workspaceId: string): number {
    return this.find(workspaceId) ?? Number(this.#insert.run(workspaceId).lastInsertRowid)
  }

  /** After a rollback: a number that was given in the transaction is free again. */
  forget(): void {
    this.#known.clear()
  }
}
