/** A fault put into the source on purpose: the simulator is worth what it finds of them. */
export interface Mutant {
  /** Area and fault, in kebab case. */
  readonly name: string
  /** From the root of the project. */
  readonly file: string
  /** What is taken out: these bytes, which are in the file once. */
  readonly find: string
  readonly replace: string
  /** What does not hold any more. */
  readonly breaks: string
}

/** The source with the fault in it. Throws where the text is not there exactly once: the catalogue has fallen behind. */
export function mutate(source: string, { name, file, find, replace }: Mutant): string {
  const at = source.indexOf(find)
  if (at < 0) throw new CatalogueError(`${name}: its text is no longer in ${file}: look for what has taken its place`)
  if (source.indexOf(find, at + 1) >= 0) throw new CatalogueError(`${name}: its text is in ${file} more than once`)
  return source.slice(0, at) + replace + source.slice(at + find.length)
}

export class CatalogueError extends Error {
  override readonly name: string = 'CatalogueError'
}
