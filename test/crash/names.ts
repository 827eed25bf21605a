/** What the server that is killed and those who use it have to agree on. */

/** The identifier of the API behind the guard. */
export const paidApi = 'https://paid.example'
export const paidScope = 'paid:use'
/** What `POST /paid/spend` costs, in credits. */
export const spendingCost = 3
