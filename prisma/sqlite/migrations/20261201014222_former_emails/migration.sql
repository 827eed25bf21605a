-- AlterTable
ALTER TABLE "Member" ADD COLUMN "formerEmail" TEXT;

-- CreateIndex
CREATE INDEX "Member_organizationId_formerEmail_idx" ON "Member"("organizationId", "formerEmail");

-- Who was removed before stays out as well. On SQLite lower() changes ASCII letters alone.
UPDATE "Member" SET "formerEmail" = lower("email") WHERE "removedAt" IS NOT NULL;
