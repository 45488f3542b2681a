import { z } from 'zod'
import { MAX_RATE_PER_MINUTE } from '../config.ts'
import { SCOPES, type Scope } from '../ports.ts'
import { isMistypedSecret } from './api-key-secret.ts'
import { canonicalRange } from './ip-address.ts'
import { type BodyValue, DuplicateKeyError, JsonSyntaxError, parseBody } from './json.ts'
import { DEVELOPMENT_KEY } from './key-ring.ts'
import { parseTime } from './time.ts'
import { DEFAULT_WORKSPACE, isWorkspaceId, WORKSPACE_ID_RULE } from './workspaces.ts'

/** A key to import, of the right form. */
export interface ImportedApiKey {
  secret: string
  name: string
  workspaceId: string
  scopes: readonly Scope[]
  rateLimitPerMinute: number | null
  allowedIps: readonly string[]
  expiresAtUs: number | null
  signingSecret: string | null
}

/** What is wrong with a file of keys: a line for each problem, which names places and never a value. */
export class ImportError extends Error {
  override name = 'ImportError'

  constructor(problems: readonly string[]) {
    const shown = problems.slice(0, SHOWN_PROBLEMS)
    const more = problems.length - shown.length
    super(['Nothing was imported. Correct the file:', ...shown, ...(more > 0 ? [`and ${more} more`] : [])].join('\n  '))
  }
}

const SHOWN_PROBLEMS = 50
const MAX_ALLOWED_IPS = 100
const MAX_NAME_CHARACTERS = 100

const VISIBLE_ASCII = /^[\x21-\x7e]{8,512}$/
const SECRET_RULE = 'must be a string of 8 to 512 visible ASCII characters'
const RATE_RULE = `must be a whole number from 0 (without limit) to ${MAX_RATE_PER_MINUTE}`
const NAME_RULE = `must be a string of 1 to ${MAX_NAME_CHARACTERS} characters, without control characters`
const SCOPES_RULE = `must list at least one of ${SCOPES.join(', ')}; leave the field out for all`
const TIME_RULE = 'must be an ISO 8601 date or time before the year 2255, such as 2027-01-31T08:00:00Z'
const ADDRESSES_RULE = `must be a list of at most ${MAX_ALLOWED_IPS} IP addresses or CIDR ranges`

const secret = z.string(SECRET_RULE).regex(VISIBLE_ASCII, SECRET_RULE)

/** An entry of the file. Tables have null for what is not set, so it counts as left out where that gives away nothing. */
const Entry = z.strictObject(
  {
    api_key: secret
      .refine((key) => key !== DEVELOPMENT_KEY, 'is the well-known development key, which everybody has')
      .refine((key) => !isMistypedSecret(key), 'has the form of a key of this server, but a character of it is wrong'),
    name: z
      .string(NAME_RULE)
      .trim()
      .refine((name) => name !== '' && [...name].length <= MAX_NAME_CHARACTERS && name.isWellFormed() && !/\p{Cc}/u.test(name), NAME_RULE)
      .nullish(),
    workspace_id: z.string(WORKSPACE_ID_RULE).refine(isWorkspaceId, WORKSPACE_ID_RULE).optional(),
    scopes: z.array(z.enum(SCOPES, SCOPES_RULE), SCOPES_RULE).min(1, SCOPES_RULE).optional(),
    rate_limit_per_minute: z.number(RATE_RULE).int(RATE_RULE).min(0, RATE_RULE).max(MAX_RATE_PER_MINUTE, RATE_RULE).nullish(),
    allowed_ips: z
      .array(
        z.string(ADDRESSES_RULE).transform((text, ctx) => {
          const range = canonicalRange(text)
          if (range === undefined) ctx.addIssue({ code: 'custom', message: 'must be an IP address or a CIDR range' })
          return range ?? ''
        }),
        ADDRESSES_RULE,
      )
      .max(MAX_ALLOWED_IPS, ADDRESSES_RULE)
      .optional(),
    expires_at: z
      .string(TIME_RULE)
      .transform((text, ctx) => {
        const us = parseTime(text, 'down')
        if (us !== undefined && Number.isSafeInteger(us)) return us
        ctx.addIssue({ code: 'custom', message: TIME_RULE })
        return z.NEVER
      })
      .nullish(),
    signing_secret: secret.nullish(),
  },
  'must be an object',
)

const FIELDS = Object.keys(Entry.shape)

/**
 * The keys in a file, `[{"api_key": …}, …]`.
 * @throws ImportError that names every problem by index and field
 */
export function parseImportedApiKeys(text: string): ImportedApiKey[] {
  const entries = parseJson(text)
  if (!Array.isArray(entries)) throw new ImportError(['the file must hold a JSON array of objects'])
  const problems: string[] = []
  const firstIndex = new Map<string, number>()
  const keys = entries.flatMap((value, index) => {
    const parsed = Entry.safeParse(value)
    if (!parsed.success) {
      problems.push(...parsed.error.issues.map((issue) => problemAt(index, issue)))
      return []
    }
    const entry = parsed.data
    const first = firstIndex.get(entry.api_key)
    if (first !== undefined) problems.push(`index ${index}, api_key: is the same as at index ${first}`)
    else firstIndex.set(entry.api_key, index)
    problems.push(...shownSecrets(entry).map((field) => `index ${index}, ${field}: holds a secret of the key, and would be shown`))
    return [importedApiKey(entry, index)]
  })
  if (problems.length > 0) throw new ImportError(problems)
  return keys
}

/** The fields that are shown, and stored as they are, which hold what must not be. */
function shownSecrets({ name, workspace_id, api_key, signing_secret }: z.output<typeof Entry>): string[] {
  const secrets = [api_key, signing_secret ?? api_key]
  return Object.entries({ name, workspace_id })
    .filter(([, text]) => secrets.some((secret) => text?.includes(secret)))
    .map(([field]) => field)
}

function importedApiKey(entry: z.output<typeof Entry>, index: number): ImportedApiKey {
  return {
    secret: entry.api_key,
    name: entry.name ?? `Imported key ${index + 1}`,
    workspaceId: entry.workspace_id ?? DEFAULT_WORKSPACE,
    scopes: SCOPES.filter((scope) => entry.scopes?.includes(scope) ?? true),
    rateLimitPerMinute: entry.rate_limit_per_minute ?? null,
    allowedIps: [...new Set(entry.allowed_ips)],
    expiresAtUs: entry.expires_at ?? null,
    signingSecret: entry.signing_secret ?? null,
  }
}

/** The parser's own words would show a piece of the text, and that could be of a secret. */
function parseJson(text: string): BodyValue {
  try {
    return parseBody(text.replace(/^\uFEFF/, ''))
  } catch (error) {
    if (error instanceof DuplicateKeyError) throw new ImportError([`${entryOf(error.path)}has a field twice`])
    if (error instanceof JsonSyntaxError) throw new ImportError([`the file is not valid JSON${placeIn(text, error)}`])
    throw error
  }
}

function entryOf(path: string): string {
  const [index = ''] = path.split('.')
  return /^\d+$/.test(index) ? `index ${index}: ` : 'the file '
}

function placeIn(text: string, { message }: JsonSyntaxError): string {
  const offset = /at character (\d+)\.$/.exec(message)?.[1]
  return offset === undefined ? '' : ` at line ${text.slice(0, Number(offset)).split('\n').length}`
}

/** A field that is not known is not named: where the file has another form, its names may be the keys. */
function problemAt(index: number, issue: z.core.$ZodIssue): string {
  if (issue.code === 'unrecognized_keys') {
    const count = issue.keys.length === 1 ? 'a field that is' : `${issue.keys.length} fields that are`
    return `index ${index}: has ${count} not known; known are ${FIELDS.join(', ')}`
  }
  const [field, item] = issue.path
  if (field === undefined) return `index ${index}: ${issue.message}`
  return `index ${index}, ${String(field)}${typeof item === 'number' ? `[${item}]` : ''}: ${issue.message}`
}
