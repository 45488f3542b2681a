import { openReader } from './reader.ts'
import { runThread } from './thread.ts'

runThread(({ path }) => openReader(path))
