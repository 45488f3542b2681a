import { z } from '@hono/zod-openapi'
import { formatTime } from '../../domain/time.ts'
import { endpoint } from '../../endpoint.ts'
import { VERSION } from '../../version.ts'
import { EXAMPLE_REQUEST_ID, EXAMPLE_TIME, requestId, timestamp } from '../schemas.ts'

export const getHealth = endpoint(
  {
    operationId: 'getHealth',
    method: 'get',
    path: '/v1/health',
    tag: 'Server',
    summary: 'Check that the server runs',
    description: 'Says that the server answers. It needs no key.',
    access: 'public',
    request: {},
    success: {
      200: {
        description: 'The server runs.',
        schema: z
          .object({
            status: z.literal('healthy'),
            timestamp: timestamp("The server's time."),
            version: z.string().openapi({ description: "The server's version.", example: VERSION }),
            request_id: requestId,
          })
          .openapi('Health'),
        example: { status: 'healthy', timestamp: EXAMPLE_TIME, version: VERSION, request_id: EXAMPLE_REQUEST_ID },
      },
    },
    errors: ['VALIDATION_ERROR.422'],
  },
  async (c) => ({ status: 200, body: { status: 'healthy', timestamp: formatTime(c.get('deps').clock.nowUs()), version: VERSION } }),
)
