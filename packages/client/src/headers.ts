/** @returns the headers by their lower-case names, without those that are undefined */
export function lowerCase(headers: object = {}): Record<string, string> {
  const lower: Record<string, string> = {}
  for (const [name, value] of Object.entries(headers)) if (value !== undefined) lower[name.toLowerCase()] = String(value)
  return lower
}
