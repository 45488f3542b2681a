import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { StoreUnavailableError } from '../ports.ts'
import { TEST_AUDIT, testWorkers } from '../testing/webhook-workers.ts'
import { createWebhookRing } from './webhook-ring.ts'

async function ringOnStore() {
  const workers = await testWorkers()
  const counted = { gets: 0, isAway: false }
  const { store, vault } = workers
  const ring = createWebhookRing({
    store: {
      listWebhooks: (query) => (counted.isAway ? Promise.reject(new StoreUnavailableError('away')) : store.listWebhooks(query)),
      getWebhook: (webhookId) => {
        counted.gets++
        return counted.isAway ? Promise.reject(new StoreUnavailableError('away')) : store.getWebhook(webhookId)
      },
    },
    vault,
  })
  return { ...workers, ring, counted }
}

describe('the webhooks in memory', () => {
  it('are the active ones of all workspaces', async () => {
    const { ring, addWebhook } = await ringOnStore()
    const webhooks = await Promise.all([addWebhook(), addWebhook(), addWebhook({ workspaceId: 'other' })])
    const inactive = await addWebhook({ isActive: false })
    await ring.refresh('1')
    expect(ring.version).toBe('1')
    const ids = (workspaceId: string) => ring.ofWorkspace(workspaceId).map(({ webhookId }) => webhookId)
    expect(ids('acme').sort()).toEqual(
      webhooks
        .slice(0, 2)
        .map(({ webhookId }) => webhookId)
        .sort(),
    )
    expect(ids('other')).toEqual([webhooks[2]?.webhookId])
    expect(ids('none')).toEqual([])
    expect(ring.find(inactive.webhookId)).toBeUndefined()
  })

  it('are read in pages', async () => {
    const { ring, addWebhook } = await ringOnStore()
    await Promise.all(Array.from({ length: 1001 }, () => addWebhook()))
    await ring.refresh('1')
    expect(ring.ofWorkspace('acme')).toHaveLength(1001)
  })

  it('stay as they are when the store is away', async () => {
    const { ring, addWebhook, counted } = await ringOnStore()
    await addWebhook()
    await ring.refresh('1')
    counted.isAway = true
    await expect(ring.refresh('2')).rejects.toThrow(StoreUnavailableError)
    expect(ring.version).toBe('1')
    expect(ring.ofWorkspace('acme')).toHaveLength(1)
  })
})

describe('the interests of a workspace', () => {
  it.each([
    ['patterns and types', [['user.*', 'order.paid'], ['user.*']], ['order.paid', 'user.']],
    ['everything', [['user.*'], ['*']], ['']],
    ['more than 50', [Array.from({ length: 30 }, (_, n) => `a${n}.*`), Array.from({ length: 30 }, (_, n) => `b${n}.*`)], ['']],
  ])('%s', async (_, patterns, expected) => {
    const { ring, addWebhook } = await ringOnStore()
    for (const events of patterns) await addWebhook({ events })
    await ring.refresh('1')
    expect([...(ring.interests().get('acme') ?? [])].sort()).toEqual(expected)
    expect(ring.interests().size).toBe(1)
  })
})

describe('a webhook that is opened', () => {
  it('has its secrets and headers in the clear, and is not opened twice', async () => {
    const { ring, addWebhook, vault, changeWebhook, counted } = await ringOnStore()
    const webhook = await addWebhook({ secret: 'a secret of its own' })
    const { webhookId } = webhook
    const sealed = await vault.seal('{"x-token":"own"}', webhookId)
    const { revision } = await changeWebhook(webhookId, { headers: { names: ['x-token'], sealed } })
    const opened = await ring.open(webhookId, revision)
    expect(opened).toMatchObject({ secrets: [{ secret: 'a secret of its own', expiresAtUs: null }], headers: { 'x-token': 'own' } })
    expect(await ring.open(webhookId, revision)).toBe(opened)
    expect(counted.gets).toBe(1)
  })

  it('is opened anew for a later revision', async () => {
    const { ring, addWebhook, vault, changeWebhook } = await ringOnStore()
    const { webhookId, revision } = await addWebhook()
    await ring.open(webhookId, revision)
    const changed = await changeWebhook(webhookId, { secrets: [{ sealed: await vault.seal('new', webhookId), expiresAtUs: null }] })
    expect(await ring.open(webhookId, changed.revision)).toMatchObject({ secrets: [{ secret: 'new' }] })
  })

  it('is asked for again when the store was away', async () => {
    const { ring, addWebhook, counted } = await ringOnStore()
    const { webhookId, revision } = await addWebhook()
    counted.isAway = true
    await expect(ring.open(webhookId, revision)).rejects.toThrow(StoreUnavailableError)
    counted.isAway = false
    expect(await ring.open(webhookId, revision)).toMatchObject({ record: { webhookId } })
  })

  it('is undefined when it is gone, and fails when its secret is another webhook’s', async () => {
    const { ring, addWebhook, vault } = await ringOnStore()
    expect(await ring.open('01932d5e-7c1a-7b44-9d0a-5f3e2b1c4d6e', 1)).toBeUndefined()
    const { webhookId, revision } = await addWebhook({ secrets: [{ sealed: await vault.seal('other', 'other'), expiresAtUs: null }] })
    await expect(ring.open(webhookId, revision)).rejects.toThrow(webhookId)
  })

  it('is forgotten when it is active no more', async () => {
    const { ring, addWebhook, store } = await ringOnStore()
    const { webhookId, revision } = await addWebhook()
    await ring.open(webhookId, revision)
    await store.deleteWebhook(webhookId, TEST_AUDIT)
    await ring.refresh('2')
    expect(await ring.open(webhookId, revision)).toBeUndefined()
  })

  it('shows no secret when the ring is printed', async () => {
    const { ring, addWebhook } = await ringOnStore()
    const { webhookId, revision } = await addWebhook({ secret: 'a secret of its own' })
    await ring.open(webhookId, revision)
    expect(inspect(ring, { depth: null, showHidden: true })).not.toContain('a secret of its own')
  })
})
