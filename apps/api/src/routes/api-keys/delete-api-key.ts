import { revokeApiKey } from '../../domain/api-keys.ts'
import { endpoint } from '../../endpoint.ts'
import { changedBy } from '../changed-by.ts'
import { KeyParams } from './schemas.ts'

export const deleteApiKey = endpoint(
  {
    operationId: 'deleteApiKey',
    method: 'delete',
    path: '/v1/api-keys/{key_id}',
    tag: 'API keys',
    summary: 'Revoke an API key',
    description:
      'Ends a key and all its secrets at once, for good: within a second where this was asked, within five in other processes. The key stays ' +
      'readable. Revoking it again is 204 too. A key with a scope that the caller lacks is 403. A body is ignored.',
    access: ['keys:manage'],
    request: { params: KeyParams },
    success: { 204: { description: 'The key is revoked.' } },
    errors: ['NOT_FOUND', 'VALIDATION_ERROR.422'],
  },
  async (c, { params }) => {
    await revokeApiKey(c.get('deps'), changedBy(c), c.get('principal').workspaceId, params.key_id)
    return { status: 204 }
  },
)
