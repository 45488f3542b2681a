import { UsageError } from './command.ts'

const KEY_ID = /^key_[0-9a-z_]{1,60}$/

export const keyIdArgument = { name: 'KEY_ID', help: "The key's public id, such as key_01932d5e7c1a7b449d0a5f3e2b1c4d6e." }

/**
 * What was typed is not repeated: it may be the key's secret.
 * @throws UsageError
 */
export function checkKeyId(text: string): string {
  if (KEY_ID.test(text)) return text
  throw new UsageError("KEY_ID must be a key's public id, which begins with key_; `pnpm admin list-keys` has them.")
}
