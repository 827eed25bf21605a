-- AlterTable
ALTER TABLE "Client" ADD COLUMN     "annotations" JSONB NOT NULL DEFAULT '{}',
ADD COLUMN     "disabledAt" TIMESTAMP(3),
ADD COLUMN     "disabledReason" TEXT,
ADD COLUMN     "externalId" TEXT;

-- AlterTable
ALTER TABLE "ApiKey" ADD COLUMN     "annotations" JSONB NOT NULL DEFAULT '{}',
ADD COLUMN     "disabledAt" TIMESTAMP(3),
ADD COLUMN     "disabledReason" TEXT,
ADD COLUMN     "externalId" TEXT;

-- CreateIndex
CREATE INDEX "Client_externalId_idx" ON "Client"("externalId");

-- CreateIndex
CREATE INDEX "ApiKey_externalId_idx" ON "ApiKey"("externalId");

-- CreateIndex
CREATE INDEX "PersonSession_vouchedBy_idx" ON "PersonSession"("vouchedBy");
