import { rotateApiKey } from '../domain/api-keys.ts'
import { command, UsageError } from './command.ts'
import { checkKeyId, keyIdArgument } from './key-id.ts'
import { DEFAULT_TRANSITION_DAYS, MAX_TRANSITION_DAYS, rotationDocument, rotationLines } from './rotation.ts'

export const rotateKey = command({
  name: 'rotate-key',
  summary: 'Gives an API key a new secret, which is printed, this once.',
  argument: keyIdArgument,
  options: {
    'transition-days': {
      value: 'N',
      help: `How long the former secret goes on working: 1 to ${MAX_TRANSITION_DAYS}, ${DEFAULT_TRANSITION_DAYS} without this option.`,
    },
    'revoke-previous': { help: 'The former secret stops to work at once.' },
  },
  run: async (input, { open, print, by }) => {
    const keyId = checkKeyId(input.argument)
    const transitionDays = input.wholeNumber('transition-days', 1, MAX_TRANSITION_DAYS)
    const revokePrevious = input.flag('revoke-previous')
    if (revokePrevious && transitionDays !== undefined) throw new UsageError('Give --transition-days or --revoke-previous, not both.')
    const overlap = revokePrevious ? { revokePrevious: true as const } : { transitionDays: transitionDays ?? DEFAULT_TRANSITION_DAYS }
    const deps = await open()
    const rotation = await rotateApiKey(deps, by, null, keyId, overlap)
    print.one(rotationDocument(keyId, rotation), rotationLines(keyId, rotation))
  },
})
