/** Paid tools of the Model Context Protocol: sold by a server, paid for by a client, each as it is. */

export { chargeKey, priceKey } from './binding.ts'
export { type PaidTransportOptions, paidTransport, type ToolPrices } from './paidTransport.ts'
export { payingTransport } from './payingTransport.ts'
