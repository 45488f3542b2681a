import { describe, expect, it } from 'vitest'
import { depsOf } from '../deps.ts'
import type { Store } from '../ports.ts'
import { countLines, exported, fullPlace, imported, newPlace, recordLines } from '../testing/moves.ts'
import { masterKey } from '../testing/vault-keys.ts'
import { createApiKey } from './api-keys.ts'
import { MOVED_KINDS } from './moved-records.ts'
import { openVault } from './vault.ts'

const BY = { principal: null, ip: null, requestId: null }

/** Whether nothing of the workspace is there. */
async function isEmpty(store: Store): Promise<boolean> {
  return !(await store.hasWorkspace('shop'))
}

describe('a workspace that is imported', () => {
  it('is as it was, to the byte, and stays so when it is imported again', async () => {
    const { text, workspace } = await fullPlace()
    const target = await newPlace()
    const { written, there, hasOtherDataKeys } = await imported(target, text)
    expect({ ...written, data_key: 2 }).toEqual(countLines(text))
    expect(Object.entries(countLines(text)).filter(([, count]) => count === 0)).toEqual([])
    expect([there.event, hasOtherDataKeys]).toEqual([0, true])
    expect(recordLines(await exported(target))).toEqual(recordLines(text))
    const again = await imported(target, text)
    expect([again.written.event, again.there.event, again.hasOtherDataKeys]).toEqual([0, 12, false])
    expect(recordLines(await exported(target))).toEqual(recordLines(text))
    expect((await target.deps.store.getReplay(workspace.replayId))?.status).toBe('running')
  })

  it('lets callers go on with their keys, and receivers with their secrets', async () => {
    const { text, workspace } = await fullPlace()
    const target = await newPlace()
    await imported(target, text)
    const { store, clock, queue, config } = target.deps
    const vault = await openVault(store, [target.master])
    const { keys, webhooks } = depsOf(config, store, queue, vault, clock)
    expect(await keys.authenticate(workspace.secret)).toMatchObject({ outcome: 'known', principal: { keyId: workspace.keyId } })
    const { webhookId } = workspace.webhook
    expect(await webhooks.open(webhookId, 1)).toMatchObject({
      secrets: [{ secret: 'whsec_Y2FuYXJ5' }],
      headers: { 'X-Team': 'canary-header' },
    })
  })

  it('is complete after an import that was broken off anywhere', async () => {
    const { text } = await fullPlace()
    const lines = text.split('\n')
    const target = await newPlace()
    for (const share of [0.1, 0.4, 0.7, 0.95]) {
      const cut = text.slice(0, Math.floor(text.length * share))
      const number = cut.split('\n').length
      await expect(imported(target, cut)).rejects.toThrow(`Line ${cut.endsWith('\n') ? number - 1 : number} `)
    }
    await imported(target, text, { fromLine: Math.floor(lines.length * 0.6) })
    expect(recordLines(await exported(target))).toEqual(recordLines(text))
  })

  it('passes over lines that were imported, and still sees that none is missing', async () => {
    const { text } = await fullPlace()
    const target = await newPlace()
    const fromLine = text.split('\n').findIndex((line) => line.startsWith('{"delivery"')) + 1
    const early = text.slice(0, text.indexOf('{"delivery"'))
    await expect(imported(target, early)).rejects.toThrow('the file was cut off')
    await expect(imported(target, text, { fromLine })).resolves.toMatchObject({
      written: { event: 0, audit_entry: countLines(text).audit_entry },
    })
    const lines = text.split('\n')
    lines.splice(
      lines.findIndex((line) => line.startsWith('{"event"')),
      1,
    )
    await expect(imported(await newPlace(), lines.join('\n'), { fromLine: 10_000 })).rejects.toThrow(
      'counts 12 lines of event, and there are 11',
    )
  })

  it('is whole when two import it at once', async () => {
    const { text } = await fullPlace()
    const target = await newPlace()
    const reports = await Promise.all([imported(target, text), imported(target, text)])
    for (const kind of MOVED_KINDS) {
      const count = kind === 'data_key' ? 0 : countLines(text)[kind]
      expect(reports[0].written[kind] + reports[1].written[kind], kind).toBe(count)
    }
    expect(recordLines(await exported(target))).toEqual(recordLines(text))
  })

  it('leaves behind what has expired', async () => {
    const { source, text } = await fullPlace()
    source.clock.advance({ days: 7, seconds: 1 })
    const target = await newPlace()
    target.clock.advance({ days: 7, seconds: 1 })
    const { expired, written } = await imported(target, text)
    expect([expired.event, expired.idempotency_key, written.event]).toEqual([12, 3, 0])
    expect(recordLines(await exported(target)).filter((line) => line.startsWith('{"event"'))).toEqual([])
  })

  it('does not deliver unless it takes over: webhooks are off, what was pending is held, and replays have failed', async () => {
    const { text, workspace } = await fullPlace()
    const target = await newPlace()
    await imported(target, text, { takeOver: false })
    const { store } = target.deps
    const { webhookId } = workspace.webhook
    const { exportedAtUs } = JSON.parse(text.split('\n')[0] ?? '').header
    expect(await store.getWebhook(webhookId)).toMatchObject({ isActive: false, disabledReason: 'manual', disabledAtUs: exportedAtUs })
    const { deliveries } = await store.listDeliveries({ workspaceId: 'shop', webhookId, limit: 100, maxBytes: 1e7 })
    expect(new Set(deliveries.map(({ status }) => status))).toEqual(new Set(['delivered', 'dead', 'held']))
    expect(await store.getReplay(workspace.replayId)).toMatchObject({ status: 'failed', completedAtUs: exportedAtUs })
    expect((await store.listDueLanes({ limit: 10 })).lanes).toEqual([])
    expect((await store.listRunningReplays({ limit: 10 })).replayIds).toEqual([])
  })
})

describe('a file without secrets', () => {
  it('has no hash and nothing sealed, and its keys and webhooks work when they are rotated', async () => {
    const { source, workspace } = await fullPlace()
    const text = await exported(source, false)
    expect(workspace.hidden.length).toBeGreaterThanOrEqual(4)
    for (const value of workspace.hidden) expect(text).not.toContain(value)
    expect(text).not.toMatch(/hash|sealed|canary|X-Team/)
    expect(countLines(text)).toEqual({ ...countLines(await exported(source)), data_key: 0 })
    const target = await newPlace(masterKey('another'))
    await expect(imported(target, text)).rejects.toThrow('exported without --with-secrets')
    expect(await isEmpty(target.deps.store)).toBe(true)
    await imported(target, text, { takeOver: false })
    const { store, keys, vault } = target.deps
    expect(await keys.authenticate(workspace.secret)).toEqual({ outcome: 'unknown' })
    expect(await store.getApiKey(workspace.keyId)).toMatchObject({ name: 'Zoë 🚀', signingSecrets: [], versions: [{ version: 1 }] })
    const webhook = await store.getWebhook(workspace.webhook.webhookId)
    expect(webhook).toMatchObject({ isActive: false, headers: null, secrets: [{ expiresAtUs: null }] })
    expect(await vault.open(webhook?.secrets[0]?.sealed ?? '', workspace.webhook.webhookId)).toMatch(/^whsec_/)
    expect(recordLines(await exported(target, false)).filter((line) => /^\{"(event|api_key)"/.test(line))).toEqual(
      recordLines(text).filter((line) => /^\{"(event|api_key)"/.test(line)),
    )
  })
})

describe('a file with secrets', () => {
  it('is refused, with nothing written, under another master key', async () => {
    const { text } = await fullPlace()
    const target = await newPlace(masterKey('main'))
    await expect(imported(target, text)).rejects.toThrow(/does not open the data key api-key-hash/)
    await expect(imported(target, text, { masterKeys: [masterKey('else')] })).rejects.toThrow(/has no key named main/)
    expect(await isEmpty(target.deps.store)).toBe(true)
  })

  it('is refused, with nothing written, where other data keys are in use', async () => {
    const { text } = await fullPlace()
    const target = await newPlace()
    const before = await target.deps.store.listDataKeys()
    await createApiKey(target.deps, BY, 'other', { name: 'a', scopes: [], allowedIps: [] })
    await expect(imported(target, text)).rejects.toThrow('other data keys')
    expect(await isEmpty(target.deps.store)).toBe(true)
    expect(await target.deps.store.listDataKeys()).toEqual(before)
  })

  it('is refused at the line of a sealed value that was changed, or that was sealed for something else', async () => {
    const { text, workspace } = await fullPlace()
    const lines = text.split('\n')
    const sealed = workspace.webhook.secrets[0]?.sealed ?? ''
    const at = lines.findIndex((line) => line.includes(sealed))
    const foreign = workspace.hidden.find((value) => value !== sealed && value.length > 60) ?? ''
    for (const other of [`${sealed.slice(0, -4)}AAAA`, foreign]) {
      const changed = lines.map((line) => line.replace(sealed, other)).join('\n')
      await expect(imported(await newPlace(), changed)).rejects.toThrow(`Line ${at + 1} (webhook) cannot be taken: A sealed secret of`)
    }
  })

  it('is refused without the data keys that it needs', async () => {
    const { text } = await fullPlace()
    const lines = text.split('\n').filter((line) => !line.includes('"api-key-hash"'))
    const target = await newPlace()
    await expect(imported(target, lines.join('\n'))).rejects.toThrow('Line 2 is no data key')
    expect(await isEmpty(target.deps.store)).toBe(true)
  })

  it('is refused when the header says that it has none', async () => {
    const { text } = await fullPlace()
    const lines = text.replace('"withSecrets":true', '"withSecrets":false').split('\n')
    await expect(imported(await newPlace(), lines.join('\n'), { takeOver: false })).rejects.toThrow('Line 2 has a data key')
    const withoutKeys = lines.filter((line) => !line.startsWith('{"data_key"')).join('\n')
    await expect(imported(await newPlace(), withoutKeys, { takeOver: false })).rejects.toThrow(
      'it has secrets, and the header says that there are none',
    )
  })
})
