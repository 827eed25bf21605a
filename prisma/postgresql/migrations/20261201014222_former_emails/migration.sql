-- AlterTable
ALTER TABLE "Member" ADD COLUMN     "formerEmail" TEXT;

-- CreateIndex
CREATE INDEX "Member_organizationId_formerEmail_idx" ON "Member"("organizationId", "formerEmail");

-- Who was removed before stays out as well. ASCII letters alone change, as on SQLite.
UPDATE "Member" SET "formerEmail" = lower("email" COLLATE "C") WHERE "removedAt" IS NOT NULL;
