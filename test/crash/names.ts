/** Names that the killed server and its callers share. */

/** The identifier of the API behind the guard. */
export const paidApi = 'https://paid.example'
export const paidScope = 'paid:use'
/** The price of `POST /paid/spend`, in credits. */
export const spendingCost = 3
