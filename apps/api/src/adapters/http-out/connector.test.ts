import { afterEach, expect, it } from 'vitest'
import { closeAll, openRawServer } from '../../testing/http-out.ts'
import { createAddressGuard } from './address-guard.ts'
import { createConnector } from './connector.ts'

afterEach(closeAll)

it('drops a connection that is not where it should be, before anything is sent', async () => {
  const closed = Promise.withResolvers<number>()
  const { port } = await openRawServer((socket) => {
    socket.resume().once('close', () => closed.resolve(socket.bytesRead))
  })
  const guard = createAddressGuard({ allowedCidrs: [], allowLoopback: false })
  const unchecked = async () => [{ address: '127.0.0.1', family: 4 }]
  const { connect } = createConnector({ resolve: unchecked, guard, timeoutMs: 10_000 })
  for (const protocol of ['http:', 'https:']) {
    const error = await new Promise((resolve) =>
      connect({ hostname: 'receiver.test', protocol, port: String(port) }, (...[failure]) => resolve(failure)),
    )
    expect(error).toMatchObject({ error: 'address_refused' })
  }
  expect(await closed.promise).toBe(0)
})
