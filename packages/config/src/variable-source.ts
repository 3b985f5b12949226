import { z } from 'zod'

/**
 * Where a variable's text comes from: the variable itself; the variable or the file that `NAME_FILE` names; or always
 * the file that the variable names.
 */
export type VariableSource = 'text' | 'secret' | 'file' | 'secret file'

const registry = z.registry<{ source: VariableSource }>()

/** Marks a piece; wrapping it later (`optional`, `prefault`, `transform`) keeps the mark. */
export function fromSource<S extends z.ZodType>(source: VariableSource, piece: S): S {
  registry.add(piece, { source })
  return piece
}

/** Where the text of a piece comes from: the outermost mark on it, or on what it wraps. */
export function sourceOf(piece: z.core.$ZodType): VariableSource {
  for (const layer of layersOf(piece)) {
    const meta = registry.get(layer)
    if (meta) return meta.source
  }
  return 'text'
}

/** The piece and what it wraps, outermost first. */
export function* layersOf(piece: z.core.$ZodType): Generator<z.core.$ZodType> {
  yield piece
  const definition = piece._zod.def as { innerType?: z.core.$ZodType; in?: z.core.$ZodType }
  const inner = definition.innerType ?? definition.in
  if (inner) yield* layersOf(inner)
}

/** The variables of a schema with their pieces, in its order. */
export function piecesOf(schema: z.ZodObject): [name: string, piece: z.core.$ZodType][] {
  return Object.entries(schema.shape)
}
