/**
 * The segments of a path as the service behind may read them: decoded, in lower case, without parameters and a slash at the end.
 * Services differ in what they take for the same path; a price must be found for all of it. `undefined` for what no two of them
 * read alike, such as an encoded slash.
 */
export function segmentsOf(pathname: string): readonly string[] | undefined {
  if (/%(?:2f|5c|00)|\\|\/\//i.test(pathname)) return undefined
  try {
    const segments = pathname
      .replace(/(?<=.)\/$/, '')
      .split('/')
      .map((segment) => decodeURIComponent(segment).replace(/;.*$/s, '').toLowerCase())
    // What is still encoded some would decode once more.
    return segments.some((segment) => /^\.\.?$|%[0-9a-f]{2}/.test(segment)) ? undefined : segments
  } catch {
    // A percent sign that begins nothing.
    return undefined
  }
}

/** Whether the segments fit a pattern, in which `:name` stands for any one and `*` at the end for one or more. */
export function fits(pattern: string, segments: readonly string[]): boolean {
  const wanted = pattern === '/' ? ['', ''] : pattern.toLowerCase().replace(/\/$/, '').split('/')
  const isOpen = wanted.at(-1) === '*'
  if (isOpen ? segments.length < wanted.length : segments.length !== wanted.length) return false
  return wanted.every((segment, at) => {
    const found = segments[at]!
    if (isOpen && at === wanted.length - 1) return true
    return segment.startsWith(':') ? found !== '' : segment === found
  })
}
