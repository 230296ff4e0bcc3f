/** What a client may take to read on, if nothing else is said. */
export const readTimeoutDefaultMs = 60_000

/**
 * A body whose reader is taken for gone when it does not ask for the next piece in time, or for the first: then what makes it is given up, and the
 * body fails, so that whoever sends it closes the connection.
 */
export function unlessUnread(
  body: ReadableStream<Uint8Array<ArrayBuffer>>,
  timeoutMs: number,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  const reader = body.getReader()
  let timer: ReturnType<typeof setTimeout> | undefined
  const wait = (controller: ReadableStreamDefaultController): void => {
    timer = setTimeout(() => {
      const gone = new UnreadError(`its client read nothing for ${timeoutMs} ms`)
      controller.error(gone)
      // Whoever made it has its own way to say what went wrong there.
      reader.cancel(gone).catch(() => undefined)
    }, timeoutMs)
    timer.unref?.()
  }
  return new ReadableStream(
    {
      start: wait,
      async pull(controller) {
        clearTimeout(timer)
        const { done, value } = await reader.read()
        if (done) return controller.close()
        controller.enqueue(value)
        wait(controller)
      },
      cancel(reason) {
        clearTimeout(timer)
        return reader.cancel(reason)
      },
    },
    // Nothing is made before it can leave.
    { highWaterMark: 0 },
  )
}

/** Who was to read an answer is taken for gone: no failure of whoever made it. */
export class UnreadError extends Error {
  override readonly name: string = 'UnreadError'
}
