import { z } from '@hono/zod-openapi'
import { endpoint } from '../../endpoint.ts'
import { SCOPES } from '../../ports.ts'
import { EXAMPLE_REQUEST_ID, requestId } from '../schemas.ts'

export const getWhoami = endpoint(
  {
    operationId: 'getWhoami',
    method: 'get',
    path: '/v1/whoami',
    tag: 'Server',
    summary: 'Say who the key is',
    description: 'Tells which workspace the key belongs to and what it may do. Any key may ask.',
    access: [],
    request: {},
    success: {
      200: {
        description: 'The key.',
        schema: z
          .object({
            workspace_id: z.string().openapi({ description: 'The workspace that the key reads and writes.', example: 'default' }),
            key_id: z.string().openapi({ description: "The key's public id.", example: 'key_development' }),
            name: z.string().openapi({ description: "The key's name.", example: 'Development key' }),
            scopes: z.array(z.enum(SCOPES)).readonly().openapi({ description: 'What the key may do.' }),
            request_id: requestId,
          })
          .openapi('Whoami'),
        example: {
          workspace_id: 'default',
          key_id: 'key_development',
          name: 'Development key',
          scopes: SCOPES,
          request_id: EXAMPLE_REQUEST_ID,
        },
      },
    },
    errors: ['VALIDATION_ERROR.422'],
  },
  async (c) => {
    const { workspaceId, keyId, name, scopes } = c.get('principal')
    return { status: 200, body: { workspace_id: workspaceId, key_id: keyId, name, scopes: [...scopes] } }
  },
)
