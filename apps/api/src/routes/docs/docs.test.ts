import { describe, expect, it } from 'vitest'
import { openApiDocument } from '../../openapi.ts'
import { sharedApp } from '../../testing/test-app.ts'

const app = await sharedApp()

describe('/openapi.json', () => {
  it('is the document, and needs no key', async () => {
    const answer = await app.request('/openapi.json', { key: undefined })
    expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'application/json'])
    expect(answer.body).toEqual(JSON.parse(JSON.stringify(openApiDocument())))
  })
})

describe.each(['/docs', '/redoc'])('the page %s', (path) => {
  it('is served without a key, under a policy that allows scripts of this server alone', async () => {
    const { status, headers } = await app.request(path, { key: undefined })
    expect([status, headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8'])
    const policy = headers.get('content-security-policy')
    expect(policy).toContain("default-src 'none'")
    expect(policy?.split('; ').filter((rule) => rule.startsWith('script-src'))).toEqual(["script-src 'self'"])
  })

  it('loads nothing from elsewhere, and all that it loads is there', async () => {
    const { text } = await app.request(path, { key: undefined })
    const loaded = [...text.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, url]) => String(url)).filter((url) => !url.startsWith('data:'))
    expect(loaded.length).toBeGreaterThanOrEqual(2)
    for (const url of loaded) {
      expect(url).toMatch(/^\/\w/)
      const asset = await app.request(url, { key: undefined })
      expect([asset.status, asset.text.length > 50], url).toEqual([200, true])
    }
  })

  it('has no script in the page itself', async () => {
    const { text } = await app.request(path, { key: undefined })
    expect(text).not.toMatch(/<script(?![^>]* src=)|\son\w+=/)
  })
})
