import { describe, expect, it } from 'vitest'
import type { Store } from '../ports.ts'
import { dyingStore } from '../testing/dying-store.ts'
import { temporaryStore } from '../testing/temporary-store.ts'
import { masterKey } from '../testing/vault-keys.ts'
import type { StoredWebhook, WebhookRecord } from '../webhook-ports.ts'
import { changeMasterKey } from './change-master-key.ts'
import { type MasterKey, openVault, type Vault } from './vault.ts'

const BY = { principal: null, ip: null, requestId: 'request-1' }
const AUDIT = { action: 'webhook.deleted', actor: { type: 'operator', keyId: null }, changes: {}, ip: null, requestId: null } as const
const OLD = masterKey('old')
const NEW = masterKey('new')

interface Secrets {
  secrets: readonly string[]
  headers: Readonly<Record<string, string>> | null
}

/** A webhook with these secrets, the newest first, and headers. */
async function saveWebhook(store: Store, vault: Vault, n: number, { secrets, headers }: Secrets): Promise<StoredWebhook> {
  const webhookId = `01990000-0000-7000-8000-${String(n).padStart(12, '0')}`
  const sealed = await Promise.all(secrets.map((secret) => vault.seal(secret, webhookId)))
  const record: WebhookRecord = {
    webhookId,
    workspaceId: `w${n % 3}`,
    url: 'https://receiver.example',
    events: ['*'],
    description: null,
    filter: null,
    headers: headers && { names: Object.keys(headers), sealed: await vault.seal(JSON.stringify(headers), webhookId) },
    rateLimit: null,
    retry: 'standard',
    payloadFormat: 'event',
    secrets: sealed.map((text, index) => ({ sealed: text, expiresAtUs: index === 0 ? null : 9e15 })),
    isActive: n % 2 === 0,
    disabledAtUs: null,
    disabledReason: null,
    updatedAtUs: 1,
    revision: 0,
  }
  const result = await store.saveWebhook(record, { audit: null })
  if (result.outcome !== 'saved') throw new Error(`The webhook was not saved: ${result.outcome}.`)
  return result.webhook
}

/** What the webhook's secrets and headers are, with these master keys alone. */
async function secretsOf(store: Store, masterKeys: readonly MasterKey[], { webhookId }: StoredWebhook): Promise<Secrets | undefined> {
  const vault = await openVault(store, masterKeys)
  const webhook = await store.getWebhook(webhookId)
  if (webhook === undefined) return undefined
  return {
    secrets: await Promise.all(webhook.secrets.map(({ sealed }) => vault.open(sealed, webhookId))),
    headers: webhook.headers && JSON.parse(await vault.open(webhook.headers.sealed, webhookId)),
  }
}

const PLAIN: Secrets = { secrets: ['whsec_one'], headers: null }
const ROTATED: Secrets = { secrets: ['whsec_new', 'whsec_old'], headers: { Authorization: 'Bearer x', 'X-Team': 'Zoë' } }

describe('changing the master key, with webhooks', () => {
  it('seals their secrets and headers anew, and changes nothing else of them', async () => {
    const { store } = await temporaryStore()
    const vault = await openVault(store, [OLD])
    const given = [PLAIN, ROTATED]
    const webhooks = [await saveWebhook(store, vault, 1, PLAIN), await saveWebhook(store, vault, 2, ROTATED)]
    const result = await changeMasterKey(store, [NEW, OLD], BY)
    expect(result).toMatchObject({ changed: true, resealed: { apiKeys: 0, webhooks: 2 } })
    for (const [index, before] of webhooks.entries()) {
      expect(await secretsOf(store, [NEW], before)).toEqual(given[index])
      const after = await store.getWebhook(before.webhookId)
      const resealed = { secrets: before.secrets.map(({ expiresAtUs }) => ({ sealed: expect.any(String), expiresAtUs })), revision: 2 }
      expect(after).toEqual({ ...before, ...resealed, headers: before.headers && { ...before.headers, sealed: expect.any(String) } })
    }
    const { entries } = await store.listAuditEntries({ workspaceId: 'w1', limit: 10 })
    expect(entries).toEqual([])
    expect(await changeMasterKey(store, [NEW, OLD], BY)).toMatchObject({ changed: false, resealed: { webhooks: 0 } })
    // The data key before the newest goes with the change behind it: nothing is sealed under it.
    const third = masterKey('third')
    expect(await changeMasterKey(store, [third, NEW], BY)).toMatchObject({ resealed: { webhooks: 2 }, removed: 1 })
    for (const [index, webhook] of webhooks.entries()) expect(await secretsOf(store, [third], webhook)).toEqual(given[index])
  })

  it('goes on after it was interrupted at any write', async () => {
    const { store } = await temporaryStore()
    const vault = await openVault(store, [OLD])
    const webhooks = [await saveWebhook(store, vault, 1, ROTATED), await saveWebhook(store, vault, 2, ROTATED)]
    const used = [OLD]
    for (const when of ['before', 'after'] as const) {
      for (let writes = 1, died = true; died; writes++) {
        const [former = OLD] = used
        const next = masterKey(`m${used.length}`)
        died = await changeMasterKey(dyingStore(store, writes, when), [next, former], BY).then(
          () => false,
          (error: Error) => error.message === 'The process died.',
        )
        for (const webhook of webhooks) expect(await secretsOf(store, [next, former], webhook)).toEqual(ROTATED)
        await changeMasterKey(store, [next, former], BY)
        for (const webhook of webhooks) expect(await secretsOf(store, [next], webhook)).toEqual(ROTATED)
        used.unshift(next)
      }
    }
    // The new data key, two webhooks, an older data key removed, three wrapped again, and the audit entry, at least.
    expect(used.length).toBeGreaterThan(2 * 8)
  })

  it('reaches every webhook of a list of many pages', async () => {
    const { store } = await temporaryStore()
    const vault = await openVault(store, [OLD])
    const webhooks: StoredWebhook[] = []
    for (let n = 0; n < 230; n++) webhooks.push(await saveWebhook(store, vault, n, PLAIN))
    expect(await changeMasterKey(store, [NEW, OLD], BY)).toMatchObject({ resealed: { webhooks: 230 } })
    for (const webhook of webhooks) expect(await secretsOf(store, [NEW], webhook)).toEqual(PLAIN)
  })

  it('seals what somebody else changed meanwhile, and passes over what was deleted', async () => {
    const { store } = await temporaryStore()
    const vault = await openVault(store, [OLD])
    const busy = await saveWebhook(store, vault, 1, PLAIN)
    const deleted = await saveWebhook(store, vault, 2, PLAIN)
    let changes = 0
    const meddling: Store = {
      ...store,
      saveWebhook: async (record, also) => {
        if (record.webhookId === deleted.webhookId) {
          await store.deleteWebhook(record.webhookId, { ...AUDIT, workspaceId: record.workspaceId, target: { type: 'webhook', id: '2' } })
        } else if (changes++ < 3) {
          const stored = await store.getWebhook(record.webhookId)
          if (stored === undefined) throw new Error('The webhook is gone.')
          const server = await openVault(store, [NEW, OLD])
          const sealed = await server.seal(`changed ${changes}`, record.webhookId)
          await store.saveWebhook({ ...stored, secrets: [{ sealed, expiresAtUs: null }] }, { audit: null })
        }
        return await store.saveWebhook(record, also)
      },
    }
    expect(await changeMasterKey(meddling, [NEW, OLD], BY)).toMatchObject({ resealed: { webhooks: 1 } })
    expect(await secretsOf(store, [NEW], busy)).toEqual({ secrets: ['changed 3'], headers: null })
    expect(await secretsOf(store, [NEW], deleted)).toBeUndefined()
  })
})
