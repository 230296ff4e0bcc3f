import { malformed, type Parsed, parsed } from './parsed.ts'

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
const values = new Map(Array.from(alphabet, (character, value) => [character.charCodeAt(0), value]))

/** RFC 4648 section 5 without padding, as header values carry it. */
export function toBase64url(bytes: Uint8Array): string {
  let text = ''
  for (let index = 0; index < bytes.length; index += 3) {
    const left = bytes.length - index
    const block = (bytes[index]! << 16) | ((bytes[index + 1] ?? 0) << 8) | (bytes[index + 2] ?? 0)
    text += alphabet[block >> 18]! + alphabet[(block >> 12) & 63]!
    if (left > 1) text += alphabet[(block >> 6) & 63]!
    if (left > 2) text += alphabet[block & 63]!
  }
  return text
}

/** Canonical only: no padding, no other alphabet, no stray bits. At most `sizeMax` bytes, checked before decoding. */
export function parseBase64url(text: string, sizeMax: number): Parsed<Uint8Array> {
  const size = Math.floor((text.length * 3) / 4)
  if (size > sizeMax) return malformed(`more than ${sizeMax} bytes`)
  if (text.length % 4 === 1) return malformed('not base64url: cut short')
  const bytes = new Uint8Array(size)
  let bits = 0
  let width = 0
  let offset = 0
  for (let index = 0; index < text.length; index++) {
    const value = values.get(text.charCodeAt(index))
    if (value === undefined) return malformed('not base64url')
    bits = ((bits << 6) | value) & 0xffff
    width += 6
    if (width >= 8) {
      width -= 8
      bytes[offset++] = (bits >> width) & 0xff
    }
  }
  if ((bits & ((1 << width) - 1)) !== 0) return malformed('not canonical base64url: bits left over')
  return parsed(bytes)
}
