/** The most tokens that a file is cut into: beyond, tokens grow. */
const tokensMax = 10_000
const tokenSizeMax = 16

/**
 * Cuts bytes into tokens the way a language model's output comes: words with the white space before them, at most 16 bytes.
 * Joined they are the bytes again, whatever these are.
 */
export function tokenize(content: Uint8Array): readonly Uint8Array[] {
  const tokens: Uint8Array[] = []
  let start = 0
  for (let at = 1; at <= content.length; at++) {
    const wordStarts = isSpace(content[at]) && !isSpace(content[at - 1])
    if (at === content.length || wordStarts || at - start === tokenSizeMax) {
      tokens.push(content.subarray(start, at))
      start = at
    }
  }
  return tokens.length <= tokensMax ? tokens : blocks(content, Math.ceil(content.length / tokensMax))
}

function blocks(content: Uint8Array, size: number): readonly Uint8Array[] {
  return Array.from({ length: Math.ceil(content.length / size) }, (_, at) =>
    content.subarray(at * size, (at + 1) * size),
  )
}

function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09
}
