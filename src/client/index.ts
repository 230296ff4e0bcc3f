export * from './portable.ts'
export { wallet } from './wallet/node.ts'
