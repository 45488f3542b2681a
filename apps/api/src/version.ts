import manifest from '../package.json' with { type: 'json' }

/** The server's version, as `/v1/health` and the document give it. */
export const VERSION: string = manifest.version
