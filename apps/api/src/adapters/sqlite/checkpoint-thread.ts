import { openCheckpointer } from './checkpointer.ts'
import { runThread } from './thread.ts'

runThread(({ path }) => openCheckpointer(path))
