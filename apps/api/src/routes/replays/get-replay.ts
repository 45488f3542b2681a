import { findReplay } from '../../domain/replays.ts'
import { endpoint } from '../../endpoint.ts'
import { EXAMPLE_SINGLE_REPLAY, presentReplay, ReplayParams, SingleReplaySchema } from './schemas.ts'

export const getReplay = endpoint(
  {
    operationId: 'getReplay',
    method: 'get',
    path: '/v1/replays/{replay_id}',
    tag: 'Replays',
    summary: 'Get a replay',
    description: 'Gives one replay of the workspace, with how far it has come.',
    access: ['webhooks:manage'],
    request: { params: ReplayParams },
    success: { 200: { description: 'The replay.', schema: SingleReplaySchema, example: EXAMPLE_SINGLE_REPLAY } },
    errors: ['NOT_FOUND', 'VALIDATION_ERROR.422'],
  },
  async (c, { params }) => {
    const replay = await findReplay(c.get('deps'), c.get('principal').workspaceId, params.replay_id)
    return { status: 200, body: presentReplay(replay) }
  },
)
