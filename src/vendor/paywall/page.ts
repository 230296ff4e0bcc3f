import { utf8 } from '../../crypto/bytes.ts'
import { sha256 } from '../../crypto/hash.ts'
import { contentDigest } from '../../http/requestDigest.ts'

/** What a person reads where a program reads a problem document. */
export interface PaymentPage {
  /** As `0.001 USD`. */
  readonly costs: string
  /** Method and address of the request. */
  readonly address: string
  readonly offerUrl: string
}

/** Whether a person's browser asks: it takes HTML, and says so before anything else. */
export function wantsPage({ method, headers }: Request): boolean {
  if (method !== 'GET' && method !== 'HEAD') return false
  const accept = headers.get('Accept') ?? ''
  return /(?:^|,)\s*text\/html\b/i.test(accept) && !/(?:^|,)\s*application\/(?:problem\+)?json\b/i.test(accept)
}

/** A 402 to look at: no scripts, nothing from elsewhere, and a policy that allows neither. */
export function pageResponse(page: PaymentPage, headers: Readonly<Record<string, string>>): Response {
  return new Response(render(page), {
    status: 402,
    headers: {
      'Content-Type': 'text/html; charset=utf-8',
      'Content-Security-Policy': policy,
      'Cache-Control': 'no-store',
      Vary: 'Accept',
      'X-Content-Type-Options': 'nosniff',
      ...headers,
    },
  })
}

const style = `body{max-width:36rem;margin:4rem auto;padding:0 1rem;font:1rem/1.5 system-ui,sans-serif;color:#222;background:#fff}
h1{font-size:1.5rem}strong{font-size:1.25rem}code{overflow-wrap:anywhere;background:#eee;padding:.1rem .3rem;border-radius:.2rem}
@media(prefers-color-scheme:dark){body{color:#ddd;background:#1b1b1b}code{background:#333}a{color:#8bf}}`

const styleDigest = contentDigest(sha256(utf8(style))).replace(/^sha-256=:(.*):$/, 'sha256-$1')
const policy = `default-src 'none'; style-src '${styleDigest}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`

function render({ costs, address, offerUrl }: PaymentPage): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Payment required: ${escaped(costs)}</title>
<style>${style}</style>
</head>
<body>
<h1>This costs <strong>${escaped(costs)}</strong></h1>
<p>Nothing was charged. What you asked for is sold by the request:</p>
<p><code>${escaped(address)}</code></p>
<p>A program with a Lockstep wallet pays for it as it asks. From a shell:</p>
<p><code>npx lockstep pay ${escaped(quoted(address.replace(/^\S+ /, '')))}</code></p>
<p>What this service sells, and how it is paid, is <a href="${escaped(offerUrl)}">in its offer</a>.</p>
</body>
</html>
`
}

/** As one word of a shell. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
}
