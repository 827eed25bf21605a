-- AlterTable
ALTER TABLE "Resource" ADD COLUMN     "signingAlgorithm" TEXT NOT NULL DEFAULT 'ES256';

-- CreateIndex
CREATE INDEX "Resource_signingAlgorithm_idx" ON "Resource"("signingAlgorithm");
