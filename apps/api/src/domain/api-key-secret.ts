import { randomBytes, randomInt } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { newUuid } from '../uuid.ts'

const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const PREFIX = 'trg_'
/** 190 bits: nobody guesses one. */
const RANDOM_DIGITS = 32
/** As many as a CRC-32 needs in base 62. */
const CHECKSUM_DIGITS = 6

const FORM = new RegExp(`^${PREFIX}([0-9A-Za-z]{${RANDOM_DIGITS}})([0-9A-Za-z]{${CHECKSUM_DIGITS}})$`)
/** Also with an end cut off, or something appended: most of a secret is a secret. */
const LIKE_A_SECRET = /trg_[0-9A-Za-z]{12,}|sign_[0-9A-Za-z_-]{20,}/g

/** A new secret of an API key: a prefix that scanners recognise, random digits, and their checksum. */
export function newApiKeySecret(): string {
  let random = ''
  for (let count = 0; count < RANDOM_DIGITS; count++) random += DIGITS.charAt(randomInt(DIGITS.length))
  return PREFIX + random + checksumOf(random)
}

/** Whether it has the form of our secrets but another checksum, so that no key can have it. */
export function isMistypedSecret(secret: string): boolean {
  const [, random, checksum] = FORM.exec(secret) ?? []
  return random !== undefined && checksumOf(random) !== checksum
}

function checksumOf(random: string): string {
  let rest = crc32(random)
  let digits = ''
  for (let count = 0; count < CHECKSUM_DIGITS; count++) {
    digits = DIGITS.charAt(rest % DIGITS.length) + digits
    rest = Math.floor(rest / DIGITS.length)
  }
  return digits
}

/** A new public id of an API key: the digits of a UUID of version 7, so that ids sort by time. */
export function newKeyId(nowUs: number): string {
  return `key_${newUuid(nowUs).replaceAll('-', '')}`
}

/** A new secret for signing requests. */
export function newSigningSecret(): string {
  return `sign_${randomBytes(32).toString('base64url')}`
}

/** The text with everything that looks like a secret of ours replaced by `[secret]`. Imported secrets have no form to go by. */
export function withoutSecrets(text: string): string {
  return text.replace(LIKE_A_SECRET, '[secret]')
}
