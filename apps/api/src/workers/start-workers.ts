import type { Deps } from '../deps.ts'
import { disableWebhook } from '../domain/webhooks.ts'
import { startDeliver } from './deliver.ts'
import { startFanOut } from './fan-out.ts'
import { createReplays } from './replay.ts'
import { startRunJobs } from './run-jobs.ts'
import { startSweepLanes } from './sweep-lanes.ts'

export type WorkerDeps = Pick<Deps, 'store' | 'queue' | 'httpOut' | 'webhooks' | 'clock' | 'config' | 'log'>

/**
 * Everything that webhooks need beside the calls, in this process: fan-out, sending, replays, and the search for what was lost. Any number of
 * processes may do so on one store.
 * @returns how to stop it: what is under way is finished, within `config.shutdownTimeoutMs`
 */
export function startWorkers(deps: WorkerDeps): () => Promise<void> {
  const deliver = startDeliver({
    ...deps,
    disableWebhook: (webhookId, reason, options) => disableWebhook(deps, webhookId, reason, options),
  })
  const { takeUp, lookAt } = deliver
  const replays = createReplays({ ...deps, lookAt })
  const stopFanOut = startFanOut({ ...deps, lookAt })
  const stopJobs = startRunJobs({ ...deps, takeUp, advanceReplay: replays.advance })
  const stopSweep = startSweepLanes({ ...deps, takeUp, isWalking: replays.isWalking })
  return async () => {
    await Promise.all([stopFanOut(), stopJobs(), stopSweep(), deliver.stop(deps.config.shutdownTimeoutMs)])
  }
}
