/** Receives webhooks with Next.js, and checks who sent them. */
import { SignatureVerificationError, verifyWebhook } from '@triggers/client'

export async function POST(request: Request): Promise<Response> {
  // Give the new and the old secret while one replaces the other.
  const secrets = (process.env['TRIGGERS_WEBHOOK_SECRET'] ?? '').split(' ')
  try {
    // The text as it came: JSON that was parsed and written again has another signature.
    const event = await verifyWebhook(await request.text(), request.headers, secrets)
    console.log(event.event_type, event.payload)
    return new Response(null, { status: 204 })
  } catch (error) {
    if (!(error instanceof SignatureVerificationError)) throw error
    console.warn(error.message)
    return new Response('Not a genuine webhook', { status: 400 })
  }
}
