import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'

/** Starts listening; gives the address. Where it cannot, a {@link ListenError} says what to do. */
export function listen(
  server: Server,
  who: string,
  { host, port }: { readonly host: string; readonly port: number },
): Promise<string> {
  return new Promise((resolve, reject) => {
    const fail = (cause: NodeJS.ErrnoException): void => {
      const why = problems[cause.code ?? '']
      const message = `${who} cannot listen on ${host}:${port}: ${why}`
      reject(why === undefined ? cause : new ListenError(message, { cause }))
    }
    server.once('error', fail)
    server.listen(port, host, () => {
      server.removeListener('error', fail)
      const { port: bound } = server.address() as AddressInfo
      resolve(`http://${host.includes(':') ? `[${host}]` : host}:${bound}`)
    })
  })
}

const problems: Readonly<Record<string, string>> = {
  EADDRINUSE: 'the port is in use. Stop what listens there, or name another port; 0 takes a free one.',
  EACCES: 'the port needs rights that this user does not have. Name one from 1024 on.',
  EADDRNOTAVAIL: 'this machine does not have the address. Name one of its own, such as 127.0.0.1.',
}

/** A server could not start. */
export class ListenError extends Error {
  override readonly name: string = 'ListenError'
}
