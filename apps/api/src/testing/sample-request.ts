import type { Endpoint } from '../endpoint.ts'
import { UNKNOWN_ID } from './events.ts'

/** Ids of the right form that name nothing. */
export const UNKNOWN_IDS: Record<string, string> = {
  event_id: UNKNOWN_ID,
  key_id: 'key_01932d5e7c1a7b449d0a5f3e2b1c4d6e',
  webhook_id: UNKNOWN_ID,
  delivery_id: UNKNOWN_ID,
  replay_id: UNKNOWN_ID,
}

/** The names of the parameters in the path. */
export function parametersOf({ route }: Endpoint): string[] {
  return [...route.path.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => name)
}

/**
 * A request of the right form: the first example of the document for a body, ids for the path.
 * @throws Error for a parameter without an id
 */
export function sampleRequest(endpoint: Endpoint, ids: Record<string, string> = UNKNOWN_IDS) {
  const { route } = endpoint
  const path = route.path.replaceAll(/\{(\w+)\}/g, (_, name: string) => {
    const id = ids[name]
    if (id === undefined) throw new Error(`There is no sample of a {${name}}.`)
    return id
  })
  const media = route.request?.body?.content['application/json']
  const [example] = media !== undefined && 'examples' in media ? Object.values(media.examples ?? {}) : []
  const body: object | undefined = example && 'value' in example ? example.value : undefined
  return { method: route.method.toUpperCase(), path, body }
}
