/** Any HTTP service behind payment, which stays as it is. */

export { type Proxy, type ProxyOptions, proxy } from './proxy.ts'
export type { ProxyPrice, ProxyRoute, StreamRate, TokenPrice } from './rules.ts'
export { ProxyError } from './rules.ts'
