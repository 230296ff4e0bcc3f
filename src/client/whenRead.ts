/** The same response, and what happens once its body has ended: read to its end, given up, or broken off. Waited for by its reader. */
export function whenRead(response: Response, ended: () => Promise<void>): Response {
  const reader = response.body?.getReader()
  if (reader === undefined) return response
  const body = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          const { done, value } = await reader.read()
          if (!done) return controller.enqueue(value)
        } catch (error) {
          await ended()
          throw error
        }
        await ended()
        controller.close()
      },
      async cancel(reason) {
        await reader.cancel(reason)
        await ended()
      },
    },
    { highWaterMark: 0 },
  )
  const { status, statusText, headers, url } = response
  // Whoever reads it goes on relative to where it came from.
  return Object.defineProperty(new Response(body, { status, statusText, headers }), 'url', { value: url })
}
