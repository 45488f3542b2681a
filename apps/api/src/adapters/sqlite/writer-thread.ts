import { openWriter } from './writer.ts'
import { runThread } from './thread.ts'

runThread(({ path }) => openWriter(path))
