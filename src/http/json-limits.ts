/** Limits of JSON bodies, checked before parsing: one pass over the text, without allocation. */
import { Failure } from '../base/errors.ts'

/** Nesting of arrays and objects. */
const deepest = 32

/** Members of all objects together. */
const mostMembers = 2_000

const quote = 34
const backslash = 92

/** @throws Failure `invalid_request` above a limit. Invalid JSON is left to the parser. */
export function limitJsonBody (text: string, most = mostMembers): void {
  let depth = 0
  let members = 0
  let inString = false
  for (let i = 0; i < text.length; i++) {
    const character = text.charCodeAt(i)
    if (inString) {
      if (character === backslash) i++
      else if (character === quote) inString = false
      continue
    }
    switch (character) {
      case quote: inString = true; break
      case 58: members++; break // :
      case 91: case 123: depth++; break // [ {
      case 93: case 125: depth-- // ] }
    }
    if (depth > deepest) {
      throw new Failure('invalid_request', { message: `The body is nested deeper than ${deepest} levels.` })
    }
    if (members > most) {
      throw new Failure('invalid_request', { message: `The body has more than ${most} members.` })
    }
  }
}
