import { cancelReplay as cancel } from '../../domain/replays.ts'
import { endpoint } from '../../endpoint.ts'
import { changedBy } from '../changed-by.ts'
import { EXAMPLE_SINGLE_REPLAY, presentReplay, ReplayParams, SingleReplaySchema } from './schemas.ts'

export const cancelReplay = endpoint(
  {
    operationId: 'cancelReplay',
    method: 'post',
    path: '/v1/replays/{replay_id}/cancel',
    tag: 'Replays',
    summary: 'Cancel a replay',
    description:
      'Ends a replay that runs: its deliveries that wait are cancelled; an attempt that is under way is not called back. One that has ended is 409. A body is ignored.',
    access: ['webhooks:manage'],
    request: { params: ReplayParams },
    success: {
      200: {
        description: 'The replay as it is now.',
        schema: SingleReplaySchema,
        example: { ...EXAMPLE_SINGLE_REPLAY, status: 'cancelled', completed_at: '2025-11-21T08:01:00.000000Z' },
      },
    },
    errors: ['NOT_FOUND', 'CONFLICT', 'VALIDATION_ERROR.422'],
  },
  async (c, { params }) => {
    const replay = await cancel(c.get('deps'), changedBy(c), c.get('principal').workspaceId, params.replay_id)
    return { status: 200, body: presentReplay(replay) }
  },
)
