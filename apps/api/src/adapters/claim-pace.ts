const SECOND_US = 1_000_000
/** How late a place may be taken. */
const SLACK_US = 40_000

/** The places in time that a claim finds under a pace. */
export interface Places {
  /** The first that has come, or will. */
  firstUs: number
  spacingUs: number
  /** How many have come. */
  count: number
}

/**
 * The places of a pace that nobody has taken, as of now. They lie `(1 s + SLACK_US) / perSecond` apart, and wait for at most `SLACK_US`. So what
 * is taken within any second has its places within `1 s + SLACK_US`, and there are no more than `perSecond` of them; and who always asks,
 * and is late by no more than the slack, misses none: 96 % of the rate. What was not asked for is not saved up.
 * @param nextUs behind the last place that was taken; undefined when none ever was
 */
export function placesOf(nextUs: number | undefined, perSecond: number, nowUs: number): Places {
  const spacingUs = Math.ceil((SECOND_US + SLACK_US) / perSecond)
  // No place is further ahead than the widest spacing: the clock went back.
  const isKnown = nextUs !== undefined && nextUs <= nowUs + SECOND_US + SLACK_US
  const firstUs = isKnown ? Math.max(nextUs, nowUs - SLACK_US) : nowUs
  return { firstUs, spacingUs, count: firstUs > nowUs ? 0 : Math.floor((nowUs - firstUs) / spacingUs) + 1 }
}

/** The first place that is left when that many were taken. */
export function placeAfter({ firstUs, spacingUs }: Places, taken: number): number {
  return firstUs + taken * spacingUs
}
