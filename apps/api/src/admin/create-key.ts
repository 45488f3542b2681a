import { MAX_RATE_PER_MINUTE } from '../config.ts'
import type { NewApiKey } from '../domain/api-key-fields.ts'
import { createApiKey } from '../domain/api-keys.ts'
import { SCOPES } from '../ports.ts'
import { problemsOf } from '../request.ts'
import { ApiKeyInputSchema, presentApiKey, readNewApiKey } from '../routes/api-keys/schemas.ts'
import { command, UsageError } from './command.ts'
import { required } from './input.ts'
import { checkWorkspaceId, requireWorkspace } from './workspace-option.ts'

export const createKey = command({
  name: 'create-key',
  summary: 'Makes an API key. Its secret is printed, this once.',
  options: {
    workspace: { value: 'ID', help: 'The workspace that it belongs to.' },
    name: { value: 'TEXT', help: 'What people call it.' },
    scopes: { value: 'LIST', help: `Of ${SCOPES.join(',')}; all without this option.` },
    'rate-limit': { value: 'N', help: "Requests a minute, 0 without limit; the server's default without this option." },
    'allowed-ips': { value: 'LIST', help: 'Addresses and CIDR ranges; from everywhere without this option.' },
    'require-signature': { help: 'Refuse its requests when they are not signed. The signing secret is printed too.' },
    'expires-at': { value: 'TIME', help: 'When it stops to work: ISO 8601, such as 2027-01-31T08:00:00Z.' },
  },
  run: async (input, { open, print, by }) => {
    const workspaceId = checkWorkspaceId(required(input.text('workspace'), 'workspace'), '--workspace')
    const newKey = parseNewKey({
      name: required(input.text('name'), 'name'),
      scopes: input.list('scopes') ?? SCOPES,
      rate_limit_per_minute: input.wholeNumber('rate-limit', 0, MAX_RATE_PER_MINUTE),
      allowed_ips: input.list('allowed-ips'),
      require_signature: input.flag('require-signature'),
      expires_at: input.text('expires-at'),
    })
    const deps = await open()
    await requireWorkspace(deps.store, workspaceId)
    const { apiKey, secret, signingSecret } = await createApiKey(deps, by, workspaceId, newKey)
    print.one(
      {
        ...presentApiKey(apiKey, deps.config.rateLimitPerMinute),
        api_key: secret,
        ...(signingSecret !== undefined && { signing_secret: signingSecret }),
      },
      [
        `The key ${apiKey.keyId} (${apiKey.name}) of the workspace ${workspaceId} is made. What follows is not shown again.`,
        `API key: ${secret}`,
        ...(signingSecret === undefined ? [] : [`Signing secret: ${signingSecret}`]),
      ],
    )
  },
})

/** The option that each field of the API's call comes from, where their names are not alike. */
const OPTIONS: Readonly<Record<string, string>> = { rate_limit_per_minute: 'rate-limit' }

/** @throws UsageError that names the options */
function parseNewKey(body: object): NewApiKey {
  const parsed = ApiKeyInputSchema.safeParse(body)
  if (parsed.success) return readNewApiKey(parsed.data)
  const problems = problemsOf(parsed.error.issues, body).map(({ field, issue }) => {
    const [name = ''] = field.split('.')
    return `--${OPTIONS[name] ?? name.replaceAll('_', '-')} ${issue}`
  })
  throw new UsageError(`${[...new Set(problems)].join('; ')}.`)
}
