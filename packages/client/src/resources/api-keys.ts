import { ApiPromise } from '../api-promise.ts'
import type { RequestOptions } from '../options.ts'
import { type PagePromise, readPages } from '../pagination.ts'
import { path } from '../path.ts'
import type { Transport } from '../transport.ts'
import type {
  ApiKey,
  ApiKeyChanges,
  ApiKeyCreated,
  ApiKeyInput,
  ApiKeyQuery,
  ApiKeyRotated,
  ApiKeyVersions,
  RotateQuery,
  SigningSecretCreated,
  SigningSecretQuery,
  SingleApiKey,
} from '../types.ts'
import { doneWhenGone } from './deleted.ts'

/** The API keys of the workspace. These calls need the scope `keys:manage`. */
export class ApiKeysResource {
  readonly #transport: Transport

  constructor(transport: Transport) {
    this.#transport = transport
  }

  /**
   * Makes an API key. Its secrets are in this answer and never again: when it is lost, revoke the key and make another.
   *
   * @example
   * const { api_key } = await triggers.apiKeys.create({ name: 'Checkout service', scopes: ['events:write'] })
   */
  create(apiKey: ApiKeyInput, options?: RequestOptions): ApiPromise<ApiKeyCreated> {
    return ApiPromise.from(() =>
      this.#transport.request({ method: 'POST', path: '/v1/api-keys', body: apiKey, options, retry: 'not-done-only' }),
    )
  }

  /**
   * Lists API keys, revoked ones too.
   *
   * @example
   * for await (const { name, last_used_at } of triggers.apiKeys.list()) console.log(name, last_used_at)
   */
  list(query?: ApiKeyQuery, options?: RequestOptions): PagePromise<ApiKey> {
    return readPages(this.#transport, '/v1/api-keys', query, options, apiKeysOf)
  }

  /**
   * Reads one API key, without its secrets.
   *
   * @example
   * const { expires_at } = await triggers.apiKeys.get(keyId)
   */
  get(keyId: string, options?: RequestOptions): ApiPromise<SingleApiKey> {
    return ApiPromise.from(() => this.#transport.request({ method: 'GET', path: path`/v1/api-keys/${keyId}`, options, retry: 'always' }))
  }

  /**
   * Changes an API key: what is left out stays.
   *
   * @example
   * await triggers.apiKeys.update(keyId, { allowed_ips: ['203.0.113.0/24'] })
   */
  update(keyId: string, changes: ApiKeyChanges, options?: RequestOptions): ApiPromise<SingleApiKey> {
    return ApiPromise.from(() =>
      this.#transport.request({ method: 'PATCH', path: path`/v1/api-keys/${keyId}`, body: changes, options, retry: 'not-done-only' }),
    )
  }

  /**
   * Revokes an API key, at once and for good. It stays readable; revoking it again is no error.
   *
   * @example
   * await triggers.apiKeys.delete(keyId)
   */
  delete(keyId: string, options?: RequestOptions): ApiPromise<void> {
    return ApiPromise.from(() =>
      this.#transport.request<void>({
        method: 'DELETE',
        path: path`/v1/api-keys/${keyId}`,
        options,
        retry: 'always',
        treatAsDone: doneWhenGone,
      }),
    )
  }

  /**
   * Gives an API key a new secret. The former one works for `transition_days` more, or ends now with `revoke_previous`.
   *
   * @example
   * const { api_key, expires_at } = await triggers.apiKeys.rotate(keyId, { transition_days: 7 })
   */
  rotate(keyId: string, query?: RotateQuery, options?: RequestOptions): ApiPromise<ApiKeyRotated> {
    return ApiPromise.from(() =>
      this.#transport.request({ method: 'POST', path: path`/v1/api-keys/${keyId}/rotate`, query, options, retry: 'not-done-only' }),
    )
  }

  /**
   * Lists the versions of an API key, newest first.
   *
   * @example
   * const { versions } = await triggers.apiKeys.versions(keyId)
   */
  versions(keyId: string, options?: RequestOptions): ApiPromise<ApiKeyVersions> {
    return ApiPromise.from(() =>
      this.#transport.request({ method: 'GET', path: path`/v1/api-keys/${keyId}/versions`, options, retry: 'always' }),
    )
  }

  /**
   * Gives an API key a signing secret, or a new one; the former one works for `transition_days` more.
   *
   * @example
   * const { signing_secret } = await triggers.apiKeys.createSigningSecret(keyId)
   */
  createSigningSecret(keyId: string, query?: SigningSecretQuery, options?: RequestOptions): ApiPromise<SigningSecretCreated> {
    return ApiPromise.from(() =>
      this.#transport.request({ method: 'POST', path: path`/v1/api-keys/${keyId}/signing-secret`, query, options, retry: 'not-done-only' }),
    )
  }
}

function apiKeysOf(body: { api_keys: ApiKey[]; pagination: { next_cursor: string | null }; request_id: string }): ApiKey[] {
  return body.api_keys
}
