import { DynamoDB } from '@aws-sdk/client-dynamodb'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { makeTables } from '../adapters/aws/dynamodb/tables.ts'
import { newUuid } from '../uuid.ts'
import {
  brokenOff,
  cancelled,
  failsAfterwards,
  failsWith,
  hangs,
  lateIndex,
  leavesUndone,
  lostAnswer,
  statementsFail,
} from './dynamodb-faults.ts'
import { dynamodbUrl } from './dynamodb-local.ts'
import { startDynamodbProxy } from './dynamodb-proxy.ts'
import { testTables } from './dynamodb-tables.ts'

proxyTests(dynamodbUrl())

function proxyTests(endpointUrl: string): void {
  const tables = testTables(endpointUrl)
  const prefix = tables.newPrefix()
  const table = `${prefix}events`
  let proxy: Awaited<ReturnType<typeof startDynamodbProxy>>
  let client: DynamoDB

  beforeAll(async () => {
    await makeTables(tables.dynamoOf(prefix), ['source'])
    proxy = await startDynamodbProxy(endpointUrl)
    client = new DynamoDB({
      endpoint: proxy.url,
      region: 'us-east-1',
      credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
      maxAttempts: 1,
    })
  })
  afterAll(async () => {
    client.destroy()
    await proxy.close()
  })
  afterEach(async () => {
    proxy.removeRules()
    proxy.reset()
  })

  const keyOf = (sk: string) => ({ pk: { S: 'p' }, sk: { S: sk } })
  const put = (sk: string, more: object = {}) => client.putItem({ TableName: table, Item: { ...keyOf(sk), ...more } })
  /** Past the proxy. */
  const isThere = async (sk: string) => (await tables.dynamoOf(prefix).get('events', { pk: 'p', sk })) !== undefined
  const namesOf = (...sks: string[]) => ({ RequestItems: { [table]: sks.map((sk) => ({ PutRequest: { Item: keyOf(sk) } })) } })

  describe('counting', () => {
    it('counts requests by operation, and units by table and index', async () => {
      await put('counted', { pending: { S: 'p' }, by_source: { S: 'p#s' }, state: { S: '0#counted' }, text: { S: 'x'.repeat(1500) } })
      await client.batchWriteItem(namesOf('c1', 'c2'))
      await client.transactWriteItems({ TransactItems: [{ Delete: { TableName: table, Key: keyOf('c1') } }] })
      await client.getItem({ TableName: table, Key: keyOf('counted'), ConsistentRead: true })
      await client.query({
        TableName: table,
        IndexName: 'pending',
        KeyConditionExpression: 'pending = :p',
        ExpressionAttributeValues: { ':p': { S: 'p' } },
      })
      expect(proxy.counts()).toEqual({
        requests: { PutItem: 1, BatchWriteItem: 1, TransactWriteItems: 1, GetItem: 1, Query: 1 },
        // 2 of the item's two kilobytes and one for each index; one each of the batch; two in the transaction.
        writeUnits: 8,
        readUnits: 1.5,
        byTable: {
          [table]: { write: 6, read: 1 },
          [`${table}/pending`]: { write: 1, read: 0.5 },
          [`${table}/by-source`]: { write: 1, read: 0 },
        },
        statements: {},
      })
      proxy.reset()
      expect(proxy.counts()).toEqual({ requests: {}, writeUnits: 0, readUnits: 0, byTable: {}, statements: {} })
    })

    it('counts the statements of batches, and is not told their units by DynamoDB Local', async () => {
      const insert = `INSERT INTO "${table}" VALUE {'pk':'p','sk':'inserted'}`
      const update = `UPDATE "${table}" SET x='1' WHERE pk='p' AND sk='updated'`
      await client.batchExecuteStatement({ Statements: [{ Statement: insert }, { Statement: update }] })
      expect(proxy.counts()).toMatchObject({
        requests: { BatchExecuteStatement: 1 },
        statements: { [`INSERT ${table}`]: 1, [`UPDATE ${table}`]: 1 },
      })
    })

    it('leaves answers as they are, so that the caller sees consumption only where it asked for it', async () => {
      const direct = await tables.dynamoOf(prefix).raw.describeTable({ TableName: table })
      expect((await client.describeTable({ TableName: table })).Table).toEqual(direct.Table)
      const asked = await client.putItem({ TableName: table, Item: keyOf('asked'), ReturnConsumedCapacity: 'TOTAL' })
      expect(asked.ConsumedCapacity).toEqual({ TableName: table, CapacityUnits: 1 })
    })

    it('serves many at once', async () => {
      await Promise.all(Array.from({ length: 200 }, (_, index) => put(`many-${index}`)))
      expect(proxy.counts()).toMatchObject({ requests: { PutItem: 200 }, writeUnits: 200 })
    })
  })

  describe('rules', () => {
    it('fit by operation, table and content, so many times', async () => {
      const rule = proxy.rule({ operation: /^PutItem$/, table: '-events', times: 2, fault: failsWith('ThrottlingException') })
      proxy.rule({ table: '-keys', fault: failsWith('InternalServerError', 500) })
      proxy.rule({ when: ({ body }) => body.includes('"chosen"'), fault: failsWith('InternalServerError', 500) })
      await client.getItem({ TableName: table, Key: keyOf('a') })
      await expect(put('a')).rejects.toThrow(expect.objectContaining({ name: 'ThrottlingException' }))
      await expect(put('a')).rejects.toThrow(expect.objectContaining({ name: 'ThrottlingException' }))
      await put('a')
      await expect(put('chosen')).rejects.toThrow(expect.objectContaining({ name: 'InternalServerError' }))
      await expect(client.getItem({ TableName: `${prefix}keys`, Key: keyOf('a') })).rejects.toThrow()
      expect(rule.hits()).toBe(2)
    })

    it('fit at random, and end', async () => {
      const rule = proxy.rule({ probability: 0.5, fault: failsWith('ThrottlingException') })
      const results = await Promise.allSettled(Array.from({ length: 100 }, () => put('random')))
      const failed = results.filter(({ status }) => status === 'rejected').length
      expect(rule.hits()).toBe(failed)
      expect(failed).toBeGreaterThan(10)
      expect(failed).toBeLessThan(90)
      rule.remove()
      await Promise.all(Array.from({ length: 20 }, () => put('random')))
    })

    it('fit statements by their table', async () => {
      const rule = proxy.rule({ table: '-events', fault: failsWith('ThrottlingException') })
      const Statement = `DELETE FROM "${table}" WHERE pk='p' AND sk='x'`
      await expect(client.batchExecuteStatement({ Statements: [{ Statement }] })).rejects.toThrow()
      expect(rule.hits()).toBe(1)
    })
  })

  describe('errors', () => {
    it.each([
      ['ProvisionedThroughputExceededException', 400],
      ['ThrottlingException', 400],
      ['ResourceNotFoundException', 400],
      ['ExpiredTokenException', 400],
      ['InternalServerError', 500],
    ])('answers %s in place of doing it', async (name, status) => {
      proxy.rule({ times: 1, fault: failsWith(name, status) })
      await expect(put(`not-${name}`)).rejects.toThrow(
        expect.objectContaining({ name, $metadata: expect.objectContaining({ httpStatusCode: status }) }),
      )
      expect(await isThere(`not-${name}`)).toBe(false)
    })

    it('answers one after it was done', async () => {
      proxy.rule({ times: 1, fault: failsAfterwards() })
      await expect(put('done')).rejects.toThrow(expect.objectContaining({ name: 'InternalServerError' }))
      expect(await isThere('done')).toBe(true)
    })

    it('loses an answer, or breaks off before', async () => {
      proxy.rule({ times: 1, fault: lostAnswer })
      await expect(put('lost')).rejects.toThrow(expect.objectContaining({ code: 'ECONNRESET' }))
      expect(await isThere('lost')).toBe(true)
      proxy.rule({ times: 1, fault: brokenOff })
      await expect(put('broken')).rejects.toThrow(expect.objectContaining({ code: 'ECONNRESET' }))
      expect(await isThere('broken')).toBe(false)
    })

    it('cancels a transaction for a reason that passes', async () => {
      proxy.rule({ times: 1, fault: cancelled('TransactionConflict') })
      const write = { TransactItems: ['t1', 't2'].map((sk) => ({ Put: { TableName: table, Item: keyOf(sk) } })) }
      await expect(client.transactWriteItems(write)).rejects.toThrow(
        expect.objectContaining({
          name: 'TransactionCanceledException',
          CancellationReasons: [expect.objectContaining({ Code: 'TransactionConflict' }), { Code: 'None' }],
        }),
      )
      expect(await isThere('t1')).toBe(false)
    })
  })

  describe('batches', () => {
    it('leaves writes undone', async () => {
      proxy.rule({ operation: /^BatchWriteItem$/, times: 1, fault: leavesUndone((index) => index !== 1) })
      const { UnprocessedItems } = await client.batchWriteItem(namesOf('b0', 'b1', 'b2'))
      expect(UnprocessedItems).toEqual(namesOf('b0', 'b2').RequestItems)
      expect(await Promise.all(['b0', 'b1', 'b2'].map(isThere))).toEqual([false, true, false])
    })

    it('leaves all of them undone', async () => {
      proxy.rule({ times: 1, fault: leavesUndone(() => true) })
      const { UnprocessedItems } = await client.batchWriteItem(namesOf('n0'))
      expect(UnprocessedItems).toEqual(namesOf('n0').RequestItems)
      expect(await isThere('n0')).toBe(false)
    })

    it('leaves keys unread', async () => {
      await client.batchWriteItem(namesOf('r0', 'r1'))
      proxy.rule({ operation: /^BatchGetItem$/, times: 1, fault: leavesUndone((index) => index === 0) })
      const Keys = [keyOf('r0'), keyOf('r1')]
      const { Responses, UnprocessedKeys } = await client.batchGetItem({ RequestItems: { [table]: { Keys, ConsistentRead: true } } })
      expect(Responses?.[table]).toEqual([keyOf('r1')])
      expect(UnprocessedKeys).toEqual({ [table]: { Keys: [keyOf('r0')], ConsistentRead: true } })
    })

    it('fails some statements, not carried out or carried out', async () => {
      const insert = (...sks: string[]) => ({
        Statements: sks.map((sk) => ({ Statement: `INSERT INTO "${table}" VALUE {'pk':'p','sk':'${sk}'}` })),
      })
      proxy.rule({ times: 1, fault: statementsFail('ThrottlingError', (index) => index === 0) })
      const { Responses } = await client.batchExecuteStatement(insert('s0', 's1'))
      expect(Responses?.map((response) => response.Error?.Code)).toEqual(['ThrottlingError', undefined])
      expect(await Promise.all(['s0', 's1'].map(isThere))).toEqual([false, true])
      proxy.rule({ times: 1, fault: statementsFail('InternalServerError', (index) => index === 1, 'after') })
      const again = await client.batchExecuteStatement(insert('s2', 's3'))
      expect(again.Responses?.map((response) => response.Error?.Code)).toEqual([undefined, 'InternalServerError'])
      expect(await Promise.all(['s2', 's3'].map(isThere))).toEqual([true, true])
    })
  })

  describe('time', () => {
    it('keeps requests waiting until they are released, then carries them out or not', async () => {
      for (const how of ['carried out', 'dropped'] as const) {
        const hang = hangs()
        proxy.rule({ times: 1, fault: hang.fault })
        const given = new AbortController()
        const asked = client.putItem({ TableName: table, Item: keyOf(how) }, { abortSignal: given.signal })
        await expect.poll(hang.waiting).toBe(1)
        given.abort()
        await expect(asked).rejects.toThrow(expect.objectContaining({ name: 'AbortError' }))
        expect(await isThere(how)).toBe(false)
        await hang.release(how)
        expect(await isThere(how)).toBe(how === 'carried out')
      }
    })

    it('has an index lag behind the table', async () => {
      const nowMs = 1_800_000_000_000
      const [old, young] = [newUuid((nowMs - 5001) * 1000), newUuid((nowMs - 4999) * 1000)]
      for (const id of [old, young]) await put(id, { pending: { S: 'late' } })
      const read = async (index: boolean) => {
        const { Items } = await client.query({
          TableName: table,
          ...(index && { IndexName: 'pending' }),
          KeyConditionExpression: index ? 'pending = :late' : 'pk = :p AND sk >= :old',
          ExpressionAttributeValues: index ? { ':late': { S: 'late' } } : { ':p': { S: 'p' }, ':old': { S: old } },
        })
        return Items?.map(({ sk }) => sk?.S).filter((sk) => sk === old || sk === young)
      }
      proxy.rule({ fault: lateIndex(5000, () => nowMs) })
      expect(await read(true)).toEqual([old])
      expect(await read(false)).toEqual([old, young])
      proxy.removeRules()
      expect(await read(true)).toEqual([old, young])
    })
  })

  it('refuses connections while it pauses, and breaks those that are there', async () => {
    const hang = hangs()
    proxy.rule({ times: 1, fault: hang.fault })
    const underWay = put('under way')
    await expect.poll(hang.waiting).toBe(1)
    await Promise.all([proxy.pause(), expect(underWay).rejects.toThrow(expect.objectContaining({ code: 'ECONNRESET' }))])
    await expect(put('refused')).rejects.toThrow(expect.objectContaining({ code: 'ECONNREFUSED' }))
    await proxy.resume()
    await put('resumed')
    expect(await isThere('resumed')).toBe(true)
    await hang.release('dropped')
  })
}
