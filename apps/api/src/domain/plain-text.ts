// biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters to refuse
const CONTROL_CHARACTERS = /[\u0000-\u001f\u007f-\u009f]/

/** Whether it has neither control characters nor half of a surrogate pair. */
export const isPlainText = (text: string): boolean => text.isWellFormed() && !CONTROL_CHARACTERS.test(text)
