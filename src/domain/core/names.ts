/** The names of records, for people that read their ids. */

export interface NameRepository {
  /**
   * The names of those of these records that have one: of one organization with its own record, or of all with null.
   * What is gone, and what has no name, is absent.
   */
  of (ids: readonly string[], organizationId: string | null): Promise<ReadonlyMap<string, string>>
}

export interface NamePort { names: NameRepository }
