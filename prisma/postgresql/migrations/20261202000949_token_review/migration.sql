-- CreateTable
CREATE TABLE "TokenReview" (
    "issuerId" TEXT NOT NULL,
    "url" TEXT NOT NULL,
    "ca" TEXT,
    "sealedToken" TEXT NOT NULL,
    "sealedBy" TEXT NOT NULL,
    "fingerprint" TEXT NOT NULL,
    "hint" TEXT NOT NULL,

    CONSTRAINT "TokenReview_pkey" PRIMARY KEY ("issuerId")
);

-- AddForeignKey
ALTER TABLE "TokenReview" ADD CONSTRAINT "TokenReview_issuerId_fkey" FOREIGN KEY ("issuerId") REFERENCES "TrustedIssuer"("id") ON DELETE CASCADE ON UPDATE CASCADE;
