export * from './portable.ts'
