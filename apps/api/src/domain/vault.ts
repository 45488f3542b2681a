import { createCipheriv, createDecipheriv, createHmac, createSecretKey, type KeyObject, randomBytes } from 'node:crypto'
import type { AccessStore } from '../ports.ts'

/** What wraps the data keys; it is given by the operator, and never stored. */
export interface MasterKey {
  id: string
  /** 32 bytes. */
  key: Uint8Array
}

/** The keys under which secrets are hashed and sealed. It never shows one of them: not in messages, nor when it is printed. */
export interface Vault {
  readonly cursorKey: Uint8Array
  /** The keyed hash (base64url) that stands for a secret in the store. */
  hash(secret: string): string
  /**
   * @param owner the id of what the secret belongs to; it opens for no other
   * @throws StoreUnavailableError
   */
  seal(plain: string, owner: string): Promise<string>
  /**
   * @throws Error when it was not sealed here for that owner, or was changed since
   * @throws StoreUnavailableError when it must ask the store for the data key, and cannot
   */
  open(sealed: string, owner: string): Promise<string>
}

type DataKeyStore = Pick<AccessStore, 'dataKey' | 'listDataKeys' | 'replaceDataKey'>

const KEY_BYTES = 32
const NONCE_BYTES = 12
const TAG_BYTES = 16

/** Leads every format, so that another one can follow. */
const FORMAT = 1
/** Format, number of the data key. */
const SEALED_HEADER_BYTES = 5

/** Shorter than any spelling of 32 bytes, so that a key in the place of an id is never repeated in a message. */
const MASTER_KEY_ID = /^[A-Za-z0-9._-]{1,32}$/
const BASE64_OF_32_BYTES = /^[A-Za-z0-9+/]{43}=?$/
const MASTER_KEY_FORM = '<id>:<base64 of 32 bytes>[,<older>…], such as k1:$(openssl rand -base64 32)'

const CURSOR = 'cursor'
const API_KEY_HASH = 'api-key-hash'
const SECRETS = /^secrets:([1-9]\d{0,8})$/

/**
 * The master keys in `ENCRYPTION_KEY`: the first encrypts, all decrypt.
 * @throws Error in words for the operator
 */
export function parseMasterKeys(text: string): MasterKey[] {
  const masterKeys: MasterKey[] = []
  for (const [index, entry] of text.split(',').entries()) {
    const [id = '', base64 = '', ...rest] = entry.trim().split(':')
    // Without a colon it may be a key that lacks its id: what must not be shown.
    if (!MASTER_KEY_ID.test(id) || base64 === '' || rest.length > 0) {
      throw new Error(`ENCRYPTION_KEY: entry ${index + 1} must be ${MASTER_KEY_FORM}; an id is 1 to 32 of A-Z a-z 0-9 . _ -`)
    }
    const key = Buffer.from(base64, 'base64')
    if (!BASE64_OF_32_BYTES.test(base64) || key.length !== KEY_BYTES) {
      throw new Error(`ENCRYPTION_KEY: the key named ${id} is not the base64 of 32 bytes; expected ${MASTER_KEY_FORM}`)
    }
    if (masterKeys.some((known) => known.id === id)) throw new Error(`ENCRYPTION_KEY: two keys are named ${id}`)
    masterKeys.push({ id, key })
  }
  return masterKeys
}

/**
 * Opens every data key in the store, and makes those that are not there yet.
 * @param reread asked when a data key comes up that none of the master keys opens: they may have been changed meanwhile
 * @throws Error in words for the operator when a master key is missing or another one
 * @throws StoreUnavailableError
 */
export async function openVault(
  store: DataKeyStore,
  masterKeys: readonly MasterKey[],
  reread: () => readonly MasterKey[] = () => masterKeys,
): Promise<Vault> {
  const cursorKey = await openDataKey(store, masterKeys, CURSOR)
  const hashKey = await openDataKey(store, masterKeys, API_KEY_HASH)
  const vault = new DataKeyVault(store, masterKeys, reread, cursorKey, hashKey)
  await vault.openSecretKeys()
  return vault
}

class DataKeyVault implements Vault {
  readonly #store: DataKeyStore
  #masterKeys: readonly MasterKey[]
  readonly #reread: () => readonly MasterKey[]
  readonly #cursorKey: Uint8Array
  readonly #hashKey: KeyObject
  /** The data keys `secrets:<number>` that are known by now. */
  readonly #secretKeys = new Map<number, Uint8Array>()

  constructor(
    store: DataKeyStore,
    masterKeys: readonly MasterKey[],
    reread: () => readonly MasterKey[],
    cursorKey: Uint8Array,
    hashKey: Uint8Array,
  ) {
    this.#store = store
    this.#masterKeys = masterKeys
    this.#reread = reread
    this.#cursorKey = cursorKey
    this.#hashKey = createSecretKey(hashKey)
  }

  get cursorKey(): Uint8Array {
    return this.#cursorKey
  }

  hash(secret: string): string {
    return createHmac('sha256', this.#hashKey).update(secret).digest('base64url')
  }

  /** Under the newest data key in the store, which another process may just have made: what changes the master key counts on it. */
  async seal(plain: string, owner: string): Promise<string> {
    const number = await this.openSecretKeys()
    const key = this.#secretKeys.get(number)
    if (key === undefined) throw new Error(`The data key secrets:${number} is not there`)
    const header = Buffer.alloc(SEALED_HEADER_BYTES)
    header.writeUInt8(FORMAT)
    header.writeUInt32BE(number, 1)
    return encrypt(key, header, owner, Buffer.from(plain)).toString('base64url')
  }

  async open(sealed: string, owner: string): Promise<string> {
    const bytes = Buffer.from(sealed, 'base64url')
    const isOurs = bytes[0] === FORMAT && bytes.length >= SEALED_HEADER_BYTES && bytes.toString('base64url') === sealed
    if (!isOurs) throw new Error(`A sealed secret of ${owner} is damaged`)
    const number = bytes.readUInt32BE(1)
    if (!this.#secretKeys.has(number)) await this.openSecretKeys()
    const key = this.#secretKeys.get(number)
    if (key === undefined) throw new Error(`A sealed secret of ${owner} is damaged, or its data key secrets:${number} is gone`)
    const plain = decrypt(key, SEALED_HEADER_BYTES, owner, bytes)
    if (plain === undefined) throw new Error(`A sealed secret of ${owner} is damaged, or belongs to something else`)
    return plain.toString()
  }

  /** Learns the data keys for secrets that are in the store; the number of the newest. */
  async openSecretKeys(): Promise<number> {
    let newest = 0
    for (const { name, key } of await this.#store.listDataKeys()) {
      const number = Number(SECRETS.exec(name)?.[1] ?? 0)
      if (number === 0) continue
      newest = Math.max(newest, number)
      if (!this.#secretKeys.has(number)) this.#secretKeys.set(number, this.#unwrap(name, key))
    }
    if (newest > 0) return newest
    this.#secretKeys.set(1, await openDataKey(this.#store, this.#masterKeys, 'secrets:1'))
    return 1
  }

  #unwrap(name: string, wrapped: Uint8Array): Uint8Array {
    try {
      return unwrapDataKey(this.#masterKeys, name, wrapped)
    } catch {
      this.#masterKeys = this.#reread()
      return unwrapDataKey(this.#masterKeys, name, wrapped)
    }
  }
}

/** The data key of that name; made when it is not there. Processes that start together get the same. */
async function openDataKey(store: DataKeyStore, masterKeys: readonly MasterKey[], name: string): Promise<Uint8Array> {
  const [master] = masterKeys
  if (master === undefined) throw new Error(`ENCRYPTION_KEY is empty: expected ${MASTER_KEY_FORM}`)
  const stored = await store.dataKey(name, wrapDataKey(master, name, randomBytes(KEY_BYTES)))
  const isPlain = name === CURSOR && isPlainDataKey(stored)
  if (!isPlain) return unwrapDataKey(masterKeys, name, stored)
  // Where it is no longer there as it was, another process has just wrapped it too.
  await store.replaceDataKey(name, stored, wrapDataKey(master, name, stored))
  return stored
}

/** Whether it is stored as it is: before there were master keys the cursor key was, as the only one. */
export function isPlainDataKey(stored: Uint8Array): boolean {
  return stored.length === KEY_BYTES
}

/** The data key as it is stored: the format, the master key's id with its length, then the encrypted key. */
export function wrapDataKey(master: MasterKey, name: string, key: Uint8Array): Uint8Array {
  const id = Buffer.from(master.id)
  return encrypt(master.key, Buffer.concat([Uint8Array.of(FORMAT, id.length), id]), name, key)
}

/** @throws Error in words for the operator when the master key that wrapped it is missing, or another one has its id */
export function unwrapDataKey(masters: readonly MasterKey[], name: string, wrapped: Uint8Array): Uint8Array {
  const headerBytes = 2 + (wrapped[1] ?? 0)
  const id = Buffer.from(wrapped.subarray(2, headerBytes)).toString()
  const isOurs = wrapped[0] === FORMAT && wrapped.length === headerBytes + NONCE_BYTES + KEY_BYTES + TAG_BYTES && MASTER_KEY_ID.test(id)
  if (!isOurs) throw new Error(`The data key ${name} in the store is damaged`)
  const master = masters.find((known) => known.id === id)
  if (master === undefined) throw new Error(`ENCRYPTION_KEY has no key named ${id}, which the data key ${name} needs`)
  const key = decrypt(master.key, headerBytes, name, wrapped)
  if (key === undefined) {
    throw new Error(
      `ENCRYPTION_KEY: the key named ${id} does not open the data key ${name}: it is not the one that had this id, or the data key is damaged`,
    )
  }
  return key
}

/** The header, a fresh nonce, the ciphertext and its tag. The header and the owner are authenticated with it. */
function encrypt(key: Uint8Array, header: Uint8Array, owner: string, plain: Uint8Array): Buffer {
  const nonce = randomBytes(NONCE_BYTES)
  const cipher = createCipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES })
  cipher.setAAD(Buffer.concat([header, Buffer.from(owner)]))
  const text = Buffer.concat([cipher.update(plain), cipher.final()])
  return Buffer.concat([header, nonce, text, cipher.getAuthTag()])
}

/** What `encrypt` was given; undefined when it was another key or owner, or any bit is another. */
function decrypt(key: Uint8Array, headerBytes: number, owner: string, bytes: Uint8Array): Buffer | undefined {
  const textAt = headerBytes + NONCE_BYTES
  const tagAt = bytes.length - TAG_BYTES
  if (tagAt < textAt) return undefined
  const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(headerBytes, textAt), { authTagLength: TAG_BYTES })
  decipher.setAAD(Buffer.concat([bytes.subarray(0, headerBytes), Buffer.from(owner)]))
  decipher.setAuthTag(bytes.subarray(tagAt))
  const text = decipher.update(bytes.subarray(textAt, tagAt))
  try {
    return Buffer.concat([text, decipher.final()])
  } catch {
    // It says no more than that the tag is another.
    return undefined
  }
}
