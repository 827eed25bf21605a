-- AlterTable
ALTER TABLE "Client" ADD COLUMN "disabledAt" DATETIME;
ALTER TABLE "Client" ADD COLUMN "disabledReason" TEXT;
ALTER TABLE "Client" ADD COLUMN "annotations" JSONB NOT NULL DEFAULT '{}';
ALTER TABLE "Client" ADD COLUMN "externalId" TEXT;

-- AlterTable
ALTER TABLE "ApiKey" ADD COLUMN "disabledAt" DATETIME;
ALTER TABLE "ApiKey" ADD COLUMN "disabledReason" TEXT;
ALTER TABLE "ApiKey" ADD COLUMN "annotations" JSONB NOT NULL DEFAULT '{}';
ALTER TABLE "ApiKey" ADD COLUMN "externalId" TEXT;

-- CreateIndex
CREATE INDEX "Client_externalId_idx" ON "Client"("externalId");

-- CreateIndex
CREATE INDEX "ApiKey_externalId_idx" ON "ApiKey"("externalId");

-- CreateIndex
CREATE INDEX "PersonSession_vouchedBy_idx" ON "PersonSession"("vouchedBy");
