import { runThread } from './thread.ts'
import { openWriter } from './writer.ts'

runThread(({ path }) => openWriter(path))
