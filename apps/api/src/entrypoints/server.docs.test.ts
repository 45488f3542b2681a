import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { openApiDocument } from '../openapi.ts'
import { endpoints } from '../routes/index.ts'
import { findChromium, launchChromium } from '../testing/browser.ts'
import { createdEvent } from '../testing/server-events.ts'
import { type ServerProcess, startServer } from '../testing/server-process.ts'
import { temporaryDirectory } from '../testing/temporary-directory.ts'

const executablePath = findChromium()
if (executablePath === undefined) {
  console.warn('SKIPPED: the docs pages are tested in Chromium, and there is none here. Install it, or set CHROMIUM_PATH.')
}

interface Watched {
  page: Page
  /** Console errors, exceptions, failed or foreign requests, violations of the Content-Security-Policy. */
  faults: string[]
}

async function watch(browser: Browser, server: ServerProcess): Promise<Watched> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 1000 } })
  onTestFinished(() => context.close())
  const faults: string[] = []
  const page = await context.newPage()
  page.setDefaultTimeout(20_000)
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') faults.push(`${message.type()}: ${message.text()}`)
  })
  page.on('pageerror', (error) => faults.push(`exception: ${error.message}`))
  page.on('requestfailed', (request) => faults.push(`failed: ${request.url()}`))
  page.on('request', (request) => {
    const url = new URL(request.url())
    if (url.origin !== server.url && url.protocol !== 'data:' && url.protocol !== 'blob:') faults.push(`foreign: ${request.url()}`)
  })
  await page.addInitScript(() => {
    // In the page `globalThis` is the window, of which the server's types know nothing.
    const page = globalThis as unknown as EventTarget
    page.addEventListener('securitypolicyviolation', (event) => {
      const name = (key: string) => String(Reflect.get(event, key))
      console.error(`CSP ${name('violatedDirective')} ${name('blockedURI')} ${name('sourceFile')}:${name('lineNumber')} ${name('sample')}`)
    })
  })
  return { page, faults }
}

describe.skipIf(executablePath === undefined)('the docs pages in a browser', { timeout: 60_000 }, () => {
  let browser: Browser
  beforeAll(async () => {
    browser = await launchChromium(executablePath ?? '')
  }, 60_000)
  afterAll(() => browser.close())

  it('/docs shows every operation, takes the key and tries one out', async () => {
    const server = await startServer({ DATA_DIR: temporaryDirectory() })
    const eventId = await createdEvent(server, 'docs')
    const { page, faults } = await watch(browser, server)
    await page.goto(`${server.url}/docs`)
    for (const { route } of endpoints) {
      await page.locator(`.opblock-${route.method}`, { has: page.locator(`[data-path="${route.path}"]`) }).waitFor()
    }
    // And what is sent to webhooks.
    const sent = Object.keys(openApiDocument().webhooks ?? {}).length
    expect(await page.locator('.opblock').count()).toBe(endpoints.length + sent)

    await page.getByRole('button', { name: 'Authorize' }).first().click()
    const dialog = page.locator('.modal-ux')
    await dialog
      .getByLabel('auth-api-key-value')
      .or(dialog.locator('input[type=text], input[type=password]').first())
      .first()
      .fill('test-api-key-12345')
    await dialog.getByRole('button', { name: 'Apply credentials' }).first().click()
    await dialog.getByRole('button', { name: 'Close' }).last().click()

    const operation = page.locator('.opblock', { has: page.locator('[data-path="/v1/inbox"]') })
    await operation.locator('.opblock-summary-control').click()
    await operation.getByRole('button', { name: 'Execute' }).click()
    const answer = operation.locator('.live-responses-table .response')
    await answer.waitFor()
    expect(await answer.locator('.response-col_status').textContent()).toMatch(/^200/)
    expect(await answer.textContent()).toContain(eventId)
    await keepPicture(page, 'docs')
    expect(faults).toEqual([])
  })

  it('/redoc shows every operation, in its own look', async () => {
    const server = await startServer({ DATA_DIR: temporaryDirectory() })
    const { page, faults } = await watch(browser, server)
    await page.goto(`${server.url}/redoc`)
    for (const { route } of endpoints) {
      await page.locator(`[id="operation/${route.operationId}"], [id$="/operation/${route.operationId}"]`).first().waitFor()
    }
    await page.getByRole('heading', { name: /Triggers API/ }).waitFor()
    // Its rules are there, not only its text: the sample stands beside the description.
    const samples = await page.getByText('Request samples').first().boundingBox()
    expect(samples?.x).toBeGreaterThan(600)
    await keepPicture(page, 'redoc')
    expect(faults).toEqual([])
  })
})

/** For a look by eye: `DOCS_PICTURES=folder`. */
async function keepPicture(page: Page, name: string): Promise<void> {
  const { DOCS_PICTURES: folder } = process.env
  if (folder !== undefined) await page.screenshot({ path: `${folder}/${name}.png` })
}
